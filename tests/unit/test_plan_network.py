"""PURE. What users ask of the network becomes interfaces and ports, or is refused by name."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stage0.plan.ports import MOST_PORTS, overlap, parse
from stage0.request import AppRequest
from stage1.contract import Interface, NetworkMode, Port, UsageError
from stage1.contract.rules import broken
from tests.samples import plan


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", [Port(80)]),
        ("8080:80", [Port(80, 8080)]),
        ("8080:80/udp", [Port(80, 8080, protocol="udp")]),
        ("127.0.0.1:8080:80", [Port(80, 8080, "127.0.0.1")]),
        ("127.0.0.1::80", [Port(80, 0, "127.0.0.1")]),
        ("127.0.0.1:80", [Port(80, 0, "127.0.0.1")]),
        ("[0:0::1]:8080:80/sctp", [Port(80, 8080, "::1", "sctp")]),
        ("8000-8002:80-82", [Port(80, 8000), Port(81, 8001), Port(82, 8002)]),
        ("80-81", [Port(80), Port(81)]),
    ],
)
def test_a_published_port_is_read(text: str, ports: list[Port]) -> None:
    assert list(parse(text)) == ports


@pytest.mark.parametrize(
    "text",
    ["", "x", "0:80", "80:0", "65536:80", "1:2:3", "300.0.0.1:1:2", "[x]:1:2", "1-3:5-6", "3-1:3-1", "80/icmp", "80/",
     "8080:80:", "::1:80:80", "-1:2", "1--2:1-2", "8080-:80-81"],
)  # fmt: skip
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--publish="):
        list(parse(text))


@given(st.text(max_size=20) | st.from_regex(r"[0-9:.\[\]/a-z-]{0,30}", fullmatch=True))
@example("99999999999999999999999:1")
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        ports = list(parse(text))
    except UsageError:
        return
    for port in ports:
        assert 1 <= port.pod <= 65535
        assert 0 <= port.host <= 65535
        assert not port.address or ipaddress.ip_address(port.address)


ADDRESSES = st.sampled_from(["", "0.0.0.0", "::", "127.0.0.1", "192.0.2.1", "::1", "2001:db8::1"])


@given(ADDRESSES, ADDRESSES)
def test_two_places_of_a_port_overlap_both_ways(one: str, other: str) -> None:
    assert overlap(one, other) == overlap(other, one)
    assert overlap(one, one)
    assert overlap("", one)


def test_kinds_of_addresses_do_not_overlap() -> None:
    assert not overlap("0.0.0.0", "::")
    assert not overlap("127.0.0.1", "192.0.2.1")
    assert overlap("0.0.0.0", "127.0.0.1")
    assert overlap("::", "::1")


def test_ports_of_apps_and_of_the_pod_come_together() -> None:
    pod = plan(AppRequest(image="web", publish=("8080:80",)), net="private", publish=("53:53/udp",))
    assert pod.published == (Port(53, 53, protocol="udp"), Port(80, 8080, app="web"))
    assert [complaint for complaint in broken(pod) if not complaint.startswith("userns")] == []


@pytest.mark.parametrize(
    ("net", "interfaces"),
    [
        ("private", (Interface("eth0", "default"),)),
        (("private:name=wan,mtu=1400", "blue"), (Interface("wan", "default", mtu=1400), Interface("eth1", "blue"))),
        ("blue:ip=10.5.0.7,ip6=fd00:0::7,mac=02:AB:00:00:00:01",
         (Interface("eth0", "blue", ip4="10.5.0.7", ip6="fd00::7", mac="02:ab:00:00:00:01"),)),
        ("bridge:br0:ip=192.0.2.5/24,gateway=192.0.2.1",
         (Interface("eth0", bridge="br0", ip4="192.0.2.5/24", gateway4="192.0.2.1"),)),
        ("bridge:br0", (Interface("eth0", bridge="br0"),)),
    ],
)  # fmt: skip
def test_networks_become_interfaces(net: str | tuple[str, ...], interfaces: tuple[Interface, ...]) -> None:
    pod = plan(AppRequest(image="web"), net=net)
    assert (pod.network, pod.interfaces) == (NetworkMode.PRIVATE, interfaces)
    assert [complaint for complaint in broken(pod) if not complaint.startswith("userns")] == []


@pytest.mark.parametrize(
    ("net", "mode", "of"),
    [
        ("host", NetworkMode.HOST, None),
        ("none", NetworkMode.NONE, None),
        ("pod:web", NetworkMode.POD, "web"),
        ("ns:/run/netns/blue", NetworkMode.NAMESPACE, "/run/netns/blue"),
    ],
)
def test_networks_of_others_are_named(net: str, mode: NetworkMode, of: str | None) -> None:
    pod = plan(AppRequest(image="web"), net=net)
    assert (pod.network, pod.network_of, pod.interfaces) == (mode, of, ())
    assert [complaint for complaint in broken(pod) if not complaint.startswith("userns")] == []


@pytest.mark.parametrize(
    "net",
    ["", "Host", "host:x", "none:x", "pod", "pod:", "ns", "ns:relative", "bridge", "bridge:", "blue:ip", "blue:ip=",
     "blue:ip=x", "blue:ip=10.0.0.1/8", "blue:ip6=10.0.0.1", "blue:size=5", "blue:mtu=5", "blue:ip=1.2.3.4,ip=1.2.3.4",
     "blue:name=lo", "blue:name=a/b", "blue:mac=01:00:00:00:00:00", "bridge:br0:ip=10.0.0.1", ("host", "blue"),
     ("blue", "blue"), ("blue:name=eth1", "red"), "b/ue", "-blue", "blue:ip6=fe80::1%eth0"],
)  # fmt: skip
def test_what_is_no_network_is_refused(net: str | tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        plan(AppRequest(image="web"), net=net)


@pytest.mark.parametrize("wish", [{"ip": "10.0.0.1"}, {"ip6": "fd00::1"}, {"mac": "02:00:00:00:00:01"},
                                  {"publish": ("80",)}, {"sysctl": ("net.x=1",)}])  # fmt: skip
@pytest.mark.parametrize("net", ["host", "pod:web", "ns:/x"])
def test_what_belongs_to_a_network_of_ones_own_needs_one(net: str, wish: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="has no meaning"):
        plan(AppRequest(image="web"), net=net, **wish)


@pytest.mark.parametrize("text", ["kernel.x=1", "net.x", "net.../x=1", "net.x=1\n", "vm.net.x=1"])
def test_only_parameters_of_the_network_are_set(text: str) -> None:
    with pytest.raises(UsageError, match="--sysctl"):
        plan(AppRequest(image="web"), net="private", sysctl=(text,))


def test_one_port_is_published_once() -> None:
    for one, other in (("80:80", "80:81"), ("127.0.0.1:80:80", "80:80"), ("79-81:79-81", "80:1")):
        with pytest.raises(UsageError, match="twice"):
            plan(AppRequest(image="web", publish=(one, other)), net="private")
    pod = plan(
        AppRequest(image="web", publish=("127.0.0.1:80:80", "127.0.0.2:80:80", "80:80/udp")), net="private"
    )
    assert len(pod.published) == 3


def test_too_many_ports_are_refused() -> None:
    with pytest.raises(UsageError, match="too many"):
        plan(AppRequest(image="web", publish=(f"1-{MOST_PORTS + 1}:1-{MOST_PORTS + 1}",)), net="private")


def test_ports_need_a_network_of_ours() -> None:
    with pytest.raises(UsageError, match="--publish needs"):
        plan(AppRequest(image="web", publish=("80:80",)), net="bridge:br0")
