"""PURE. Addresses, names and rules of pods, as text."""

from __future__ import annotations

import ipaddress
from inspect import signature

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage1.contract import ConflictError, Interface, NetworkMode, Port, UsageError
from stage1.network import names, ranges, rules
from stage1.network.attachments import Attachment, OnBridge, OnNetwork, hardware_address
from stage1.network.drivers import Driver, driver
from stage1.network.model import (
    Endpoint,
    Entry,
    Network,
    Subnet,
    entry_from,
    entry_to,
    network_from,
    network_to,
)
from stage1.network.records import sysctl_path
from stage1.network.rules import link_local

BLUE = Network(
    "blue",
    "pod-blue",
    1500,
    Subnet("10.5.0.0/28", "10.5.0.1"),
    Subnet("fd00:5::/64", "fd00:5::1"),
    "fd00:5::2",
)


def entry(
    name: str, number: int, *networks: str, ports: tuple[Port, ...] = (), joined: str | None = None
) -> Entry:
    """A pod with an interface on each network."""
    ends = tuple(
        Endpoint(
            name=f"eth{place}",
            host=f"vpod{number}{place}",
            bridge=f"pod-{network}",
            mac=hardware_address(f"10.{place}.0.{number}"),
            mtu=1500,
            network=network,
            ip4=f"10.{place}.0.{number}",
            ip6=f"fd00:{place}::{number}",
        )
        for place, network in enumerate(networks)
    )
    return Entry(name, f"/pods/{name}", (name, f"{name}-app"), ends, ports, joined)


def test_facts_survive_being_written() -> None:
    one = entry("a", 3, "blue", "red", ports=(Port(80, 8080),))
    assert entry_from(entry_to(one)) == one
    assert network_from(network_to(BLUE)) == BLUE
    assert network_from(network_to(BLUE._replace(ip6=None))) == BLUE._replace(ip6=None)


def test_addresses_are_given_in_turn_and_never_twice() -> None:
    taken: list[str] = []
    last = ""
    for _ in range(12):
        four, six = ranges.choose(BLUE.ip4, BLUE.ip6, taken, last)
        assert four
        assert six
        assert not {four, six} & {*taken, "10.5.0.0", "10.5.0.1", "10.5.0.2", "10.5.0.15", "fd00:5::2"}
        taken += [four, six]
        last = four
    with pytest.raises(ConflictError, match="are in use"):
        ranges.choose(BLUE.ip4, BLUE.ip6, taken, last)
    taken.remove("10.5.0.9")
    taken.remove("fd00:5::9")
    assert ranges.choose(BLUE.ip4, BLUE.ip6, taken, last) == ("10.5.0.9", "fd00:5::9")


def test_an_address_that_became_free_rests() -> None:
    assert ranges.choose(BLUE.ip4, None, [], "10.5") == ranges.choose(BLUE.ip4, None, [], "")
    assert ranges.choose(BLUE.ip4, None, [], "10.5.0.3") == ("10.5.0.4", None)
    assert ranges.choose(None, BLUE.ip6, [], "fd00:5::7") == (None, "fd00:5::8")


@pytest.mark.parametrize("address", ["10.5.0.0", "10.5.0.1", "10.5.0.15", "10.6.0.4", "fd00:5::4"])
def test_only_addresses_for_pods_can_be_asked_for(address: str) -> None:
    with pytest.raises(UsageError):
        ranges.check_wish(address, BLUE.ip4, "blue", [])


def test_an_address_in_use_is_refused() -> None:
    assert ranges.check_wish("10.5.0.4", BLUE.ip4, "blue", []) == "10.5.0.4"
    with pytest.raises(ConflictError, match="in use"):
        ranges.check_wish("10.5.0.4", BLUE.ip4, "blue", ["10.5.0.4"])
    with pytest.raises(UsageError, match="is not in the network blue"):
        ranges.check_wish("fd00:5::4", None, "blue", [])


def test_a_range_in_use_is_named_and_another_one_is_found() -> None:
    routes = [("10.77.0.0/16", "eth0"), ("10.78.5.0/24", "tun0"), ("10.79.0.0/16", "pod0")]
    assert ranges.conflict("10.77.3.0/24", routes, "pod0") == "10.77.0.0/16 is routed by eth0"
    assert ranges.conflict("10.79.0.0/16", routes, "pod0") is None
    assert ranges.free4("default", routes, "pod0") == "10.79.0.0/16"
    assert ranges.free4("default", [*routes, ("10.79.0.0/16", "network x")], "pod0") == "10.80.0.0/16"
    assert ranges.free4("blue", [("10.128.0.0/24", "network x")], "pod-blue") == "10.128.1.0/24"
    with pytest.raises(ConflictError):
        ranges.free4("blue", [("0.0.0.0/1", "eth0"), ("128.0.0.0/1", "eth0")], "pod-blue")


def test_ipv6_ranges_are_local_and_each_network_has_another() -> None:
    found = {ranges.free6(name, "machine", [], "x") for name in ("default", "blue", "red")}
    assert len(found) == 3
    assert all(ipaddress.ip_network(text).subnet_of(ipaddress.ip_network("fd00::/8")) for text in found)
    one = ranges.free6("blue", "machine", [], "x")
    assert ranges.free6("blue", "machine", [(one, "eth0")], "x") != one
    assert ranges.free6("blue", "other", [], "x") != one


@pytest.mark.parametrize("text", ["", "x", "10.0.0.1/24", "10.0.0.0/29", "fd00::/64"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        ranges.parse(text, 4)


@given(st.ip_addresses(v=6))
def test_an_address_is_the_number_it_is(address: ipaddress.IPv6Address) -> None:
    if "." not in str(address):  # no network of ours holds an IPv4 address in IPv6's clothes
        assert int(rules._number6(str(address)), 16) == int(address)


def test_the_link_local_address_is_the_kernels() -> None:
    assert link_local("0a:58:0a:4d:00:03") == "fe80::858:aff:fe4d:3"


def test_a_port_is_an_element_for_each_kind_of_address() -> None:
    def elements(port: Port) -> set[str]:
        text = rules.up(entry("a", 3, "blue", ports=(port,)))
        return {
            line.removeprefix("add element inet unitpod ") for line in text.splitlines() if " inet " in line
        }

    four, six = "{ tcp . 8080 : 10.0.0.3 . 80 }", "{ tcp . 8080 : fd00:0::3 . 80 }"
    assert elements(Port(80, 8080)) == {f"any4 {four}", f"any6 {six}"}
    assert elements(Port(80, 8080, "0.0.0.0")) == {f"any4 {four}"}
    assert elements(Port(80, 8080, "::")) == {f"any6 {six}"}
    assert elements(Port(80, 8080, "192.0.2.1")) == {"on4 { 192.0.2.1 . tcp . 8080 : 10.0.0.3 . 80 }"}
    assert elements(Port(80, 8080, "::1")) == {"on6 { ::1 . tcp . 8080 : fd00:0::3 . 80 }"}


def test_what_is_added_is_taken_away() -> None:
    one = entry("a", 3, "blue", "red", ports=(Port(80, 8080),))
    added = {line.removeprefix("add ") for line in rules.up(one).splitlines()}
    assert {line.removeprefix("delete ") for line in rules.down(one).splitlines() if line[0] == "d"} == added
    assert rules.up(one._replace(joined="other")) == ""


def test_a_network_without_a_way_out_is_not_masqueraded() -> None:
    text = rules.networks([BLUE._replace(internal=True)], loopback6=False)
    assert 'add element inet unitpod closed { "pod-blue" }' in text
    assert "add element inet unitpod ranges4" not in text
    assert "loop-pod-blue" not in text
    assert "loop-pod-blue" in rules.networks([BLUE], loopback6=True)


def test_pods_find_those_of_their_networks_by_name() -> None:
    web, store, other = entry("web", 3, "blue"), entry("store", 4, "blue", "red"), entry("other", 5, "red")
    own = names.own_lines(web, "web", ["nginx"])
    assert "10.0.0.3 web" in own
    assert "127.0.0.1 nginx" in own
    text = names.with_peers(own, web, [web, store, other])
    assert text.startswith(own)
    assert "10.0.0.4 store store-app\nfd00:0::4 store store-app\n" in text
    assert "other" not in text
    assert names.with_peers(text, web, [web]) == names.with_peers(own, web, [])
    assert "store" not in names.with_peers(text, web, [web, store._replace(joined="x")])


def test_the_hosts_own_name_servers_are_none_for_a_pod() -> None:
    stub = "# made by resolved\nnameserver 127.0.0.53\noptions edns0\nsearch example.org\n"
    assert names.resolver(stub, "") == "options edns0\nsearch example.org\n"
    upstream = "nameserver 192.0.2.53\nsearch wrong\n"
    assert names.resolver(stub, upstream) == "nameserver 192.0.2.53\noptions edns0\nsearch example.org\n"
    assert (
        names.resolver("nameserver 10.0.0.1\nnameserver ::1\nnameserver\n\n", upstream)
        == "nameserver 10.0.0.1\n"
    )


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.core.somaxconn", "net/core/somaxconn"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
    ],
)
def test_parameters_are_named_as_sysctl_names_them(name: str, path: str) -> None:
    assert sysctl_path(name) == path


@pytest.mark.parametrize("mode", NetworkMode)
def test_every_mode_has_a_driver_of_the_one_shape(mode: NetworkMode) -> None:
    shape = signature(Driver.wire).parameters
    assert signature(type(driver(mode)).wire).parameters.keys() == shape.keys()


@pytest.mark.parametrize("kind", [OnNetwork, OnBridge])
def test_what_interfaces_are_on_has_one_shape(kind: type[Attachment]) -> None:
    assert signature(kind.endpoint).parameters.keys() == signature(Attachment.endpoint).parameters.keys()


def test_an_interface_on_a_network_has_what_the_network_gives() -> None:
    taken = ["10.5.0.3", "fd00:5::3"]
    end = OnNetwork(BLUE, "").endpoint(Interface("lan", "blue", mtu=1300), taken)
    assert (end.name, end.bridge, end.mtu, end.ip4, end.ip6) == (
        "lan",
        "pod-blue",
        1300,
        "10.5.0.4",
        "fd00:5::4",
    )
    assert (end.gateway4, end.gateway6) == ("10.5.0.1", "fd00:5::1")
    taken += ["10.5.0.4", "fd00:5::4"]
    closed = OnNetwork(BLUE._replace(internal=True), "10.5.0.6").endpoint(Interface("lan", "blue"), taken)
    assert (closed.ip4, closed.gateway4, closed.gateway6) == ("10.5.0.7", None, None)
    with pytest.raises(ConflictError, match=r"10\.5\.0\.4 is in use"):
        OnNetwork(BLUE, "").endpoint(Interface("lan", "blue", ip4="10.5.0.4"), taken)
