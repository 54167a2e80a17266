"""EFFECT. Pods beside firewalls of others, as they really are: what these refuse until they are told, and how."""

from __future__ import annotations

import json

import pytest

from tests.root.firewalls import firewalld, ufw
from tests.root.lan import HOST4, HOST6, NEAR4, Lan
from tests.root.pods import Pods

pytestmark = pytest.mark.root


def told(net: Pods) -> str:
    """What `pod doctor` says of firewalls."""
    found = json.loads(net("doctor", "--json", status=None).out)["checks"]
    return next(str(one["found"]) for one in found if one["check"] == "forwarding")


def reaches(net: Pods, lan: Lan) -> bool:
    """Tell whether a pod reaches a server on another host."""
    with lan.serving(lan.near, NEAR4, 7000):
        return net.run("inspect", "--", "connect", NEAR4, "7000", status=None).out == f"{HOST4}\n"


def test_ufw_lets_pods_pass_when_it_is_told(net: Pods, lan: Lan) -> None:
    with ufw(lan) as firewall:
        before = lan.ruleset(ours=False)
        net.detach("--name", "web", "-p", "8080:80", "inspect", "--", "serve", "80", "web")
        assert lan.ruleset(ours=False) == before
        assert lan.ask(lan.host, "127.0.0.1", 8080)[1].startswith("web ")
        assert lan.refuses(lan.near, HOST4, 8080)
        assert "drops forwarded packets: chain ip filter FORWARD" in told(net)
        firewall("ufw", "route", "allow", "out", "on", "pod0")
        for host in (HOST4, HOST6):
            assert lan.ask(lan.near, host, 8080)[1].startswith("web ")
        assert not reaches(net, lan)
        firewall("ufw", "route", "allow", "in", "on", "pod0")
        assert reaches(net, lan)
        assert "chain ip filter FORWARD has rules for pods" in told(net)
        firewall("ufw", "reload")
        assert lan.ask(lan.near, HOST4, 8080)[1].startswith("web ")
        before = lan.ruleset(ours=False)
        net("network", "reload")
        net("rm", "-f", "web")
        assert lan.ruleset(ours=False) == before


def test_firewalld_lets_pods_pass_when_it_is_told(net: Pods, lan: Lan) -> None:
    with firewalld(lan) as firewall:
        before = lan.ruleset(ours=False)
        net.detach("--name", "web", "-p", "8080:80", "inspect", "--", "serve", "80", "web")
        assert lan.ruleset(ours=False) == before
        for host in (HOST4, HOST6):
            # translated already when firewalld sees it, and such packets it accepts
            assert lan.ask(lan.near, host, 8080)[1].startswith("web ")
        assert not reaches(net, lan)
        assert "chain inet firewalld filter_FORWARD" in told(net)
        firewall("firewall-cmd", "--permanent", "--zone=trusted", "--add-interface=pod0")
        for option in ("--reload", "--complete-reload"):
            firewall("firewall-cmd", option)
            assert reaches(net, lan)
            assert lan.ask(lan.near, HOST4, 8080)[1].startswith("web ")
        assert "filter_FORWARD has rules for pods" in told(net)
        lan.on(lan.host, "nft", "flush", "ruleset")
        net("network", "reload")
        assert lan.ask(lan.near, HOST6, 8080)[1].startswith("web ")
        assert reaches(net, lan)
