"""EFFECT. Pods on a bridge of the host that is not ours, behind which another host is that gives nobody an address."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.root.lan import HOST4, NEAR4, Lan
from tests.root.pods import Pods

pytestmark = pytest.mark.root

THERE4, POD4 = "203.0.113.2", "203.0.113.9"
THERE6, POD6 = "2001:db8:3::2", "2001:db8:3::9"
OWN = f"bridge:br0:name=lan,ip={POD4}/24,ip6={POD6}/64"

# Tells every host on eth9 about a prefix, until it is killed (RFC 4861, 4.2 and 4.6.2).
_ADVERTISE = """
import socket, struct, time
prefix = socket.inet_pton(socket.AF_INET6, "2001:db8:4::")
option = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 3600, 3600, 0, prefix)
advert = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + option
one = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
while True:
    one.sendto(advert, ("ff02::1", 0, 0, socket.if_nametoindex("eth9")))
    time.sleep(0.2)
"""


@pytest.fixture
def br0(lan: Lan) -> Iterator[str]:
    """A bridge of the host's administrator with a cable to `far`; the host has no address on it, far has two."""
    lan.on(lan.host, "ip", "link", "add", "br0", "type", "bridge")
    lan.cable(lan.host, "port0", lan.far, "eth9")
    for words in ("port0 master br0", "br0 up"):
        lan.on(lan.host, "ip", "link", "set", *words.split())
    lan.on(lan.far, "ip", "addr", "add", f"{THERE4}/24", "dev", "eth9")
    lan.on(lan.far, "ip", "addr", "add", f"{THERE6}/64", "dev", "eth9", "nodad")
    yield "br0"
    for name in ("port0", "br0"):
        lan.on(lan.host, "ip", "link", "del", name)


@pytest.mark.usefixtures("br0")
def test_a_pod_with_an_address_is_a_host_like_others_there(net: Pods, lan: Lan) -> None:
    before = lan.ruleset(ours=False)
    net.detach("--name", "web", "--net", f"{OWN},gateway={THERE4}", "inspect", "--", "serve", "80", "web")
    for address in (POD4, POD6):
        assert lan.ask(lan.far, address, 80)[1].startswith("web ")
    assert lan.ruleset(ours=False) == before
    for address, seen in ((THERE4, "203.0.113.8"), (THERE6, "2001:db8:3::8")):
        with lan.serving(lan.far, address, 7000):
            options = ("--net", "bridge:br0:ip=203.0.113.8/24,ip6=2001:db8:3::8/64,mtu=1400")
            assert net.run(*options, "inspect", "--", "connect", address, "7000").out == f"{seen}\n"
    taken = net("run", "--net", f"bridge:br0:ip={POD4}/24", "inspect", status=125)
    assert f"address {POD4} on br0 is another pod's" in taken.err


@pytest.mark.usefixtures("br0")
def test_a_pod_without_an_address_has_what_the_bridge_tells_it(net: Pods, lan: Lan) -> None:
    """No DHCP client of ours runs; what IPv6 has instead is the kernel's."""
    words = ("--net", "bridge:br0", "busybox", "--", "sh", "-c")
    said = net.run(*words, "ip -o addr show eth0; ip route").out
    assert "inet " not in said
    assert "default" not in said
    argv = ["nsenter", f"--net=/run/netns/{lan.far}", sys.executable, "-c", _ADVERTISE]
    with subprocess.Popen(argv) as advertises:
        try:
            wait = "until ip -o addr show eth0 | grep 2001:db8:4; do sleep 0.1; done; ip -6 route"
            assert "default via fe80:" in net.run(*words, wait).out
        finally:
            advertises.kill()


@pytest.mark.usefixtures("br0")
def test_a_bridge_beside_a_network_of_ours(net: Pods, lan: Lan) -> None:
    options = ("--name", "web", "--net", "private", "--net", OWN, "-p", "8080:80")
    net.detach(*options, "inspect", "--", "serve", "80", "web")
    assert lan.ask(lan.near, HOST4, 8080)[1].startswith(f"web {NEAR4}:")
    assert lan.ask(lan.far, POD4, 80)[1].startswith(f"web {THERE4}:")
    found = net("exec", "web", "--", "/inspect", "report", status=None)
    assert found.status == 0


@pytest.mark.usefixtures("br0")
def test_what_is_no_bridge_is_refused_by_name(net: Pods) -> None:
    missing = net("run", "--net", "bridge:nowhere", "inspect", status=125)
    assert "no bridge nowhere" in missing.err
    wrong = net("run", "--net", "bridge:wan0", "inspect", status=125)
    assert "wan0 is no bridge" in wrong.err
