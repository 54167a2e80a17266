"""PURE. Who a pod is and how it looks up names: what is asked for, and the files that come of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.plan import identity as plans
from stage0.request import AppRequest, PodRequest
from stage1 import identity
from stage1.contract import HostEntry, Names, NetworkMode, PodManifest, Provider, UsageError
from stage1.contract.rules import broken
from stage1.identity import HostFiles
from tests.samples import FILES, plan, pod

RESOLV = "# a comment\nnameserver 192.0.2.1\nnameserver\nsearch old.example\nsearch a.example b.example\noptions x y\n"


def files(whole: PodManifest, *, living: bool = False) -> dict[str, str]:
    found = identity.files(whole, FILES, living=living)
    return {name: content.decode() for name, content in found.items()}


def test_an_entry_asked_for_comes_before_the_hosts_and_the_pods_name_last() -> None:
    names = Names(entries=(HostEntry("192.0.2.7", ("db", "x")),))
    assert files(pod(names=names))["hosts"] == f"192.0.2.7\tdb x\n{FILES.hosts}127.0.1.1\tdemo\n"
    assert identity.hosts(pod(), "127.0.0.1 demo # not mine") == "127.0.0.1 demo # not mine\n"


def test_a_file_of_the_pods_network_is_not_in_the_layer() -> None:
    assert "hosts" not in files(pod(), living=True)


def test_the_images_own_files_are_left_where_asked() -> None:
    whole = pod(names=Names(hosts=Provider.IMAGE, dns=Provider.IMAGE))
    assert set(files(whole)) == {"hostname"}


def test_what_is_asked_for_stands_in_place_of_the_hosts_lines() -> None:
    assert identity.resolv_conf(Names(), RESOLV) == RESOLV
    assert identity.resolv_conf(Names(dns=Provider.NONE), RESOLV) == ""
    assert identity.resolv_conf(Names(search=("c.example",)), RESOLV) == (
        "nameserver 192.0.2.1\nsearch c.example\noptions x y\n"
    )
    assert identity.resolv_conf(Names(search=(), options=()), RESOLV) == "nameserver 192.0.2.1\n"
    own = Names(dns=Provider.POD, servers=("192.0.2.9",))
    assert identity.resolv_conf(own, RESOLV) == "nameserver 192.0.2.9\n"
    assert (
        identity.resolv_conf(Names(options=("z",)), "domain d.example\n") == "search d.example\noptions z\n"
    )


def test_without_a_network_a_pod_knows_itself_and_nobody_to_ask() -> None:
    assert plans.names(PodRequest(app=()), NetworkMode.NONE) == Names(hosts=Provider.POD, dns=Provider.IMAGE)
    assert plans.names(PodRequest(app=()), NetworkMode.HOST) == Names()


TEXTS = st.text("abz09.:;[]-_ \n\t#,/%", max_size=12) | st.text(max_size=6)


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_whatever_is_asked_for_is_a_good_manifest_or_a_usage_error(
    host: str, dns: str, search: str, option: str, machine: str, zone: str
) -> None:
    try:
        found = plan(
            add_host=(host,),
            dns=(dns,),
            dns_search=(search,),
            dns_option=(option,),
            machine_id=machine,
            timezone=zone,
        )
    except UsageError as error:
        assert error.hint
        return
    assert not [text for text in broken(found) if "userns" not in text]
    lines = identity.hosts(found, "").splitlines()
    assert all(len(line.split()) >= 2 for line in lines)
    resolv = identity.resolv_conf(found.names, "").splitlines()
    assert all(line.split()[0] in {"nameserver", "search", "options"} for line in resolv)


@given(TEXTS)
def test_an_entry_is_an_address_and_names_or_a_usage_error(text: str) -> None:
    try:
        found = plans.names(PodRequest(app=(), add_host=(text,)), NetworkMode.HOST)
    except UsageError:
        return
    written = identity.entry_lines(found)
    assert written.count("\n") == 1
    assert "#" not in written


def test_a_path_stands_for_its_owner() -> None:
    wish = AppRequest(image="x", user="/srv", group="/var")
    owners = {(3, "/srv"): (7, 8), (3, "/var"): (9, 10)}
    found = plans.with_owner(wish, 3, owners)
    assert (found.user, found.group) == ("7:8", "10")
    assert plans.with_owner(AppRequest(image="x", user="web"), 0, {}).user == "web"
    with pytest.raises(UsageError, match="has no /srv"):
        plans.with_owner(wish, 0, owners)


def test_nothing_is_asked_of_the_host_that_is_not_needed() -> None:
    assert identity.files(pod(), HostFiles(), living=False)["hosts"] == b"127.0.1.1\tdemo\n"
