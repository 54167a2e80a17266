"""EFFECT. Pods on networks of their own, as other hosts, the host itself and other pods see them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from tests.conftest import needs_program
from tests.root.lan import FAR4, FAR6, HOST4, HOST6, NEAR4, NEAR6, Lan, OnHost
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root


def serve(net: Pods, name: str, *options: str, port: int = 80) -> str:
    """A pod that says its name and the peer's address."""
    words = ("inspect", "--ready", f"tcp:{port}", "--", "serve", str(port), name)
    return net.detach("--name", name, "--net", "private", *options, *words)


def kill_all_of_ours(net: Pods, uuid: str) -> None:
    """A pod's monitor and its PID 1, which would end with it in order if it had the time."""
    records = [net.directory(uuid) / "run" / name for name in ("monitor", "leader")]
    for pid in [int(record.read_text().split()[0]) for record in records]:
        os.kill(pid, signal.SIGKILL)


def facts(net: Pods, uuid: str) -> dict[str, object]:
    """`run/network/network.json`."""
    found: dict[str, object] = json.loads(
        (net.directory(uuid) / "run" / "network" / "network.json").read_bytes()
    )
    return found


def address(net: Pods, uuid: str, kind: str = "ip4") -> str:
    """The pod's first address."""
    return str(facts(net, uuid)["endpoints"][0][kind])  # type: ignore[index]


def inside(net: Pods, *words: str, options: tuple[str, ...] = ("--net", "private")) -> str:
    """What a pod made for these words prints."""
    return net.run(*options, "busybox", "--", *words).out


def test_a_published_port_is_reached_from_everywhere_and_sees_who_comes(net: Pods, lan: Lan) -> None:
    serve(net, "web", "-p", "8080:80")
    for space, host, seen in (
        (lan.near, HOST4, f"::ffff:{NEAR4}"),
        (lan.near, HOST6, NEAR6),
        (lan.far, HOST4, f"::ffff:{FAR4}"),
        (lan.far, HOST6, FAR6),
        (lan.host, HOST4, f"::ffff:{HOST4}"),
        (lan.host, HOST6, HOST6),
    ):
        _, said = lan.ask(space, host, 8080)
        assert said.split()[1].rpartition(":")[0].strip("[]") == seen.removeprefix("::ffff:"), (host, said)
    for host in ("127.0.0.1", "127.3.4.5", "::1"):
        assert lan.ask(lan.host, host, 8080)[1].startswith("web ")


def test_a_pod_reaches_itself_and_others_by_published_ports(net: Pods) -> None:
    serve(net, "web", "-p", "8080:80")
    client = net.run("--net", "private", "inspect", "--", "connect", HOST4, "8080", "connect", HOST6, "8080")
    assert client.out.count("web ") == 2
    itself = net.run(
        "--net", "private", "-p", "8081:80", "--exit-policy", "app:client",
        "inspect", "--name", "server", "--ready", "tcp:80", "--", "serve", "80", "self", "---",
        "inspect", "--name", "client", "--requires", "server", "--",
        "connect", HOST4, "8081", "connect", HOST6, "8081", "connect", "server", "80",
    )  # fmt: skip
    assert itself.out.count("self ") == 3


def test_datagrams_find_their_way(net: Pods, lan: Lan) -> None:
    net.detach(
        "--name", "dns", "--net", "private", "-p", "53:5353/udp", "inspect", "--", "serve-udp", "5353", "dns"
    )
    for space, host in ((lan.near, HOST4), (lan.far, HOST6), (lan.host, "127.0.0.1"), (lan.host, "::1")):
        assert lan.ask(space, host, 53, "udp", size=1)[1].startswith("dns ")


def test_sctp_finds_its_way(net: Pods, lan: Lan) -> None:
    """By a stack that is a program (libusrsctp), so that the kernel's own need not be there."""
    needs_program("/usr/lib/usrsctp/echo_server")
    uuid = net.detach("-p", "7000:7/sctp", "inspect", "--", "pause")
    leader = (net.directory(uuid) / "run" / "leader").read_text().split()[0]
    argv = ["nsenter", f"--target={leader}", "--net", "/usr/lib/usrsctp/echo_server"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for space, host in (
                (lan.near, HOST4),
                (lan.far, HOST6),
                (lan.host, "127.0.0.1"),
                (lan.host, "::1"),
            ):
                # The first word may come before the server has its socket.
                eventually(partial(sctp, space, host, 7000), f"an answer to {host}")
            assert sctp(lan.near, HOST4, 7001) == b""
        finally:
            server.kill()
    for lines in (net("port", "ls", uuid).lines[1], *net("port", "add", uuid, "7:7/sctp").lines):
        assert "7/sctp" in lines


def sctp(space: str, host: str, port: int) -> bytes:
    """What comes back of a word."""
    argv = ["nsenter", f"--net=/run/netns/{space}", "/usr/lib/usrsctp/client", host, str(port)]
    how = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, **how) as client:  # type: ignore[call-overload]
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        ready, _, _ = select.select([client.stdout], [], [], 10 if port == 7000 else 2)
        client.kill()
        answer = bytes(client.stdout.readline()) if ready else b""
        assert answer in (b"", b"hello\n")
        return answer


def test_a_port_of_one_address_is_that_addresss(net: Pods, lan: Lan) -> None:
    serve(net, "four", "-p", "127.0.0.1:8080:80")
    serve(net, "six", "-p", f"[{HOST6}]:8080:80")
    assert lan.ask(lan.host, "127.0.0.1", 8080)[1].startswith("four ")
    assert lan.ask(lan.near, HOST6, 8080)[1].startswith("six ")
    assert lan.refuses(lan.near, HOST4, 8080)
    assert lan.refuses(lan.host, "::1", 8080)


def test_a_port_in_use_is_refused_before_anything_starts(net: Pods, lan: Lan) -> None:
    uuid = serve(net, "web", "-p", "8080:80")
    refused = net("run", "--net", "private", "-p", "8080:81", "inspect", status=125)
    assert "port 8080/tcp is published by pod web" in refused.err
    with lan.serving(lan.host, "127.0.0.1", 9090):
        refused = net("run", "--net", "private", "-p", "9090:80", "inspect", status=125)
        assert "port 9090/tcp is in use on this host" in refused.err
    assert net.all() == [uuid]


def test_pods_know_each_other_by_name(net: Pods) -> None:
    first = serve(net, "first")
    options = ("--name", "second", "--hostname", "two", "--net", "private")
    second = net.detach(
        *options,
        "inspect",
        "--name",
        "app",
        "--",
        "connect",
        "first",
        "80",
        "connect",
        "inspect",
        "80",
        "pause",
    )
    eventually(lambda: len(net.log(second)) == 2, "both names to be found")
    assert all(f"first {address(net, second)}:" in line for line in net.log(second))
    hosts = (net.directory(first) / "run" / "network" / "hosts").read_text()
    assert f"{address(net, second)} second two app" in hosts


def test_a_pod_reaches_other_hosts_by_the_address_of_its_own(net: Pods, lan: Lan) -> None:
    for address, host in ((NEAR4, HOST4), (NEAR6, HOST6), (FAR4, HOST4)):
        with lan.serving(lan.far if address == FAR4 else lan.near, address, 7000):
            assert (
                net.run("--net", "private", "inspect", "--", "connect", address, "7000").out == f"{host}\n"
            )


def test_pods_of_two_hosts_reach_each_other_although_their_ranges_are_the_same(net: Pods, lan: Lan) -> None:
    uuid = serve(net, "web", "-p", "8080:80")
    other = replace(net, place=OnHost(lan.near), running=[])
    try:
        words = ("inspect", "--", "connect", HOST4, "8080", "connect", HOST6, "8080")
        four, six = other.run("--net", "private", "--ip", address(net, uuid), *words).lines
        assert four.startswith(f"web {NEAR4}:")
        assert six.startswith(f"web [{NEAR6}]:")
    finally:
        other("network", "rm", "default")


def test_addresses_can_be_chosen_and_are_never_given_twice(net: Pods) -> None:
    mine = serve(net, "mine", "--ip", "10.77.9.9", "--mac", "02:00:00:00:09:09")
    assert address(net, mine) == "10.77.9.9"
    assert (
        "10.77.9.9 is in use"
        in net("run", "--net", "private", "--ip", "10.77.9.9", "inspect", status=125).err
    )
    wrong = net("run", "--net", "private", "--ip", "10.99.9.9", "inspect", status=2)
    assert "not in the network default" in wrong.err
    net("kill", mine)
    assert serve(net, "next", "--ip", "10.77.9.9")


def test_a_pod_that_is_killed_with_all_of_ours_leaves_nothing_that_matters(net: Pods, lan: Lan) -> None:
    uuid = serve(net, "doomed", "-p", "8080:80")
    kill_all_of_ours(net, uuid)
    eventually(lambda: net.status(uuid)["state"] == "exited", "the pod to be over")
    again = serve(net, "again", "-p", "8080:80")
    assert lan.ask(lan.near, HOST4, 8080)[1].startswith("again ")
    assert len(lan.elements()) == len(
        [f for f in lan.elements() if "10.77" in f or "fd" in f or "fe80" in f or "0x" in f]
    )
    net("kill", again)


def test_a_pod_that_was_killed_starts_again_with_its_ports(net: Pods, lan: Lan) -> None:
    uuid = serve(net, "doomed", "-p", "8080:80")
    kill_all_of_ours(net, uuid)
    eventually(lambda: net.status(uuid)["state"] == "exited", "the pod to be over")
    net("start", "-d", uuid)
    assert lan.ask(lan.near, HOST4, 8080)[1].startswith("doomed ")
    net("kill", uuid)
    assert not lan.elements()


def test_a_pod_shares_the_network_of_another(net: Pods) -> None:
    serve(net, "web")
    shared = net.run("--net", "pod:web", "inspect", "--", "connect", "127.0.0.1", "80")
    assert shared.out.startswith("web 127.0.0.1:")
    assert "no pod 'nobody' runs" in net("run", "--net", "pod:nobody", "inspect", status=125).err


def test_a_pod_joins_a_namespace(net: Pods, lan: Lan) -> None:
    said = net.run("--net", f"ns:/run/netns/{lan.far}", "busybox", "--", "ip", "addr").out
    assert FAR4 in said
    missing = net("run", "--net", "ns:/run/netns/nowhere", "inspect", status=125)
    assert "no network namespace" in missing.err


def test_parameters_of_the_network_are_the_pods_own(net: Pods, lan: Lan) -> None:
    options = ("--net", "private", "--sysctl", "net.core.somaxconn=77")
    assert inside(net, "cat", "/proc/sys/net/core/somaxconn", options=options) == "77\n"
    assert "77" not in lan.on(lan.host, "sysctl", "-n", "net.core.somaxconn")
    refused = net("run", "--net", "private", "--sysctl", "net.nothing=1", "inspect", status=125)
    assert "/proc/sys/net/nothing" in refused.err


def test_a_pod_sends_from_no_address_but_its_own(net: Pods) -> None:
    denied = net.run(
        "--net",
        "private",
        "busybox",
        "--",
        "ip",
        "addr",
        "add",
        "10.77.200.1/16",
        "dev",
        "eth0",
        status=None,
    )
    assert denied.status != 0


def test_rules_that_were_flushed_come_back_with_the_next_pod(net: Pods, lan: Lan) -> None:
    lan.on(lan.host, "nft", "flush", "ruleset")
    serve(net, "web", "-p", "8080:80")
    assert lan.ask(lan.near, HOST4, 8080)[1].startswith("web ")


def test_rules_of_others_stay_as_they_are(net: Pods, lan: Lan) -> None:
    rules = "table inet firewalld { chain x { type filter hook input priority 10; tcp dport 5 drop; }; }"
    lan.on(lan.host, "nft", "-f", "-", input=rules)
    before = lan.ruleset(ours=False)
    serve(net, "web", "-p", "8080:80")
    assert lan.ruleset(ours=False) == before
    net("rm", "-f", "web")
    assert lan.ruleset(ours=False) == before


def test_ports_of_a_running_pod_come_and_go(net: Pods, lan: Lan) -> None:
    uuid = serve(net, "web", "-p", "8080:80")
    assert net("port", "add", "web", "127.0.0.1:9000:80", "80").lines[0] == "80/tcp 127.0.0.1:9000"
    status = net("status", "web").out
    assert f"network  default: eth0 {address(net, uuid)}, {address(net, uuid, 'ip6')}\n" in status
    assert "ports    *:8080 to 80/tcp, 127.0.0.1:9000 to 80/tcp, " in status
    found = json.loads(net("port", "ls", "--json", "web").out)
    assert net.status("web")["network"]["ports"] == found
    assert [port["pod"] for port in found] == [80, 80, 80]
    assert facts(net, uuid)["ports"] == found
    chosen = found[2]["host"]
    assert lan.ask(lan.near, HOST4, chosen)[1].startswith("web ")
    assert lan.ask(lan.host, "127.0.0.1", 9000)[1].startswith("web ")
    assert "published by pod web" in net("port", "add", "web", "8080:81", status=125).err
    net("port", "rm", "web", "127.0.0.1:9000", f"{chosen}/tcp")
    assert lan.refuses(lan.host, "127.0.0.1", 9000)
    assert lan.refuses(lan.near, HOST4, chosen)
    assert lan.ask(lan.near, HOST4, 8080)[1].startswith("web ")
    assert "does not publish" in net("port", "rm", "web", "9000", status=125).err
    assert net("port", "ls", "web").lines[1].split() == ["-", "80/tcp", "*:8080"]


def test_rules_and_bridges_are_mended_on_request(net: Pods, lan: Lan) -> None:
    serve(net, "web", "-p", "8080:80")
    lan.on(lan.host, "nft", "flush", "ruleset")
    assert lan.refuses(lan.near, HOST4, 8080)
    assert net("network", "reload").lines == ["default"]
    assert lan.ask(lan.near, HOST4, 8080)[1].startswith("web ")
    lan.on(lan.host, "ip", "link", "del", "pod0")
    net("network", "reload", "--quiet")
    assert lan.ask(lan.near, HOST6, 8080)[1].startswith("web ")
    assert lan.ask(lan.host, "::1", 8080)[1].startswith("web ")


@pytest.fixture
def blue(net: Pods) -> Iterator[str]:
    """A network that reaches the world, and `red`, which does not."""
    net("network", "create", "--ipv4", "10.5.0.0/24", "--mtu", "1400", "blue")
    net("network", "create", "--internal", "--ipv6", "none", "red")
    yield "blue"
    net.clear()
    net("network", "rm", "blue", "red")


def test_networks_are_apart_but_for_published_ports(net: Pods, lan: Lan, blue: str) -> None:
    options = ("--name", "one", "--net", f"{blue}:ip=10.5.0.9", "-p", "8080:80")
    one = net.detach(*options, "inspect", "--", "serve", "80", "one")
    assert lan.ask(lan.near, HOST4, 8080)[1].startswith("one ")
    assert address(net, one) == "10.5.0.9"
    other = net.run("--net", "private", "inspect", "--", "connect", "10.5.0.9", "80", status=None)
    assert other.status != 0
    assert net.run("--net", "private", "inspect", "--", "connect", HOST4, "8080").out.startswith("one ")
    assert net.run("--net", "blue", "inspect", "--", "connect", "one", "80").out.startswith("one ")


def test_an_internal_network_has_no_way_out(net: Pods, lan: Lan, blue: str) -> None:
    with lan.serving(lan.near, NEAR4, 7000):
        assert net.run("--net", "red", "inspect", "--", "connect", NEAR4, "7000", status=None).status != 0
        assert net.run("--net", blue, "inspect", "--", "connect", NEAR4, "7000").out == f"{HOST4}\n"
    net.detach("--name", "in", "--net", "red", "inspect", "--", "serve", "80", "in")
    assert net.run("--net", "red", "inspect", "--", "connect", "in", "80").out.startswith("in ")


def test_a_pod_has_interfaces_on_several_networks(net: Pods, blue: str) -> None:
    options = (
        "--net",
        "private:name=wan",
        "--net",
        f"{blue}:name=lan,mac=02:00:00:00:07:07,mtu=1300",
        "--net",
        "red",
    )
    said = net.run(*options, "busybox", "--", "sh", "-c", "ip -o addr; ip -o link; ip route").out
    for part in (
        "wan    inet 10.77.",
        "lan    inet 10.5.0.",
        "eth2    inet 10.128.",
        "02:00:00:00:07:07",
        "mtu 1300",
    ):
        assert part in said, said
    assert said.count("default via") == 1
    assert "default via 10.77.0.1 dev wan" in said


def test_networks_are_listed_and_those_in_use_stay(net: Pods, blue: str) -> None:
    net.detach("--name", "one", "--net", blue, "inspect", "--", "pause")
    found = {one["name"]: one for one in json.loads(net("network", "ls", "--json").out)}
    assert found["blue"]["ipv4"] == "10.5.0.0/24"
    assert found["blue"]["mtu"] == 1400
    assert [pod["names"][0] for pod in found["blue"]["pods"]] == ["one"]
    assert found["red"]["internal"]
    assert json.loads(net("network", "inspect", "blue").out)[0] == found["blue"]
    assert "is used by one" in net("network", "rm", "blue", status=125).err
    assert "network blue exists" in net("network", "create", "blue", status=125).err
    assert "no network 'green'" in net("run", "--net", "green", "inspect", status=125).err


@pytest.mark.usefixtures("blue")
def test_ranges_in_use_are_named(net: Pods) -> None:
    said = net("network", "create", "--ipv4", "192.0.2.0/24", "x", status=125).err
    assert "192.0.2.0/24 is in use: 192.0.2.0/24 is routed by wan0" in said
    assert (
        "10.5.0.0/24 is routed by" in net("network", "create", "--ipv4", "10.5.0.0/16", "x", status=125).err
    )
    assert "no IPv4 range" in net("network", "create", "--ipv4", "10.0.0.1", "x", status=2).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("network inspect nowhere", "no network 'nowhere'"),
        ("network rm nowhere", "no network 'nowhere'"),
        ("network create Bad", "'Bad' is not a name for a network"),
        ("network create host", "'host' is not a name for a network"),
        ("network create --bridge wan0 x", "wan0 is there and no bridge"),
        ("network create --bridge pod0 x", "pod0 is the bridge of network default"),
        (
            "network create a-very-long-network-name",
            "a bridge cannot be called pod-a-very-long-network-name",
        ),
        ("network create --ipv4 none --ipv6 none x", "a network needs addresses"),
        ("network create --ipv4 198.51.100.0/33 x", "is no IPv4 range"),
        ("run --net nowhere inspect", "no network 'nowhere'"),
        ("run --net private:ip=10.77.0.1 inspect", "10.77.0.1 is not for pods"),
        ("run --net private:ip6=2001:db8::1 inspect", "2001:db8::1 is not in the network default"),
        ("run -p 192.0.2.77:80:80 inspect", "192.0.2.77 is no address of this host"),
        ("port ls nobody", "no pod 'nobody'"),
        ("port add nobody 80 1:2:3", "1:2:3: not a port"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(net: Pods, words: str, said: str) -> None:
    done = net(*words.split(), status=None)
    assert done.status in {2, 125}
    what, hint = done.err.splitlines()[:2]
    assert said in what
    assert hint.strip()


def test_ports_belong_to_pods_on_networks_of_ours(net: Pods) -> None:
    serve(net, "web")
    net.detach("--name", "guest", "--net", "pod:web", "inspect", "--", "pause")
    assert "publish at the pod that has it" in net("port", "add", "guest", "80", status=125).err
    net.detach("--name", "alone", "--net", "none", "inspect", "--", "pause")
    for words in ("port ls alone", "port add alone 80"):
        assert "has no network of its own" in net(*words.split(), status=125).err
    assert "is used by web" in net("network", "rm", "default", status=125).err


def test_the_default_network_has_the_ranges_that_were_asked_for(net: Pods, lan: Lan) -> None:
    net("network", "rm", "default")
    net("network", "create", "--ipv4", "10.99.0.0/16", "--ipv6", "fd99::/64", "default")
    try:
        uuid = serve(net, "web", "-p", "8000-8001:80-81")
        assert (address(net, uuid), address(net, uuid, "ip6")) == ("10.99.0.3", "fd99::3")
        assert lan.ask(lan.near, HOST6, 8000)[1].startswith("web ")
    finally:
        net.clear()
        net("network", "rm", "default")


def test_a_range_that_is_routed_elsewhere_later_is_named(net: Pods, lan: Lan) -> None:
    """As when a VPN comes up."""
    net.run("inspect", "--", "exit", "0")
    lan.on(lan.host, "ip", "route", "add", "10.77.8.0/24", "dev", "wan0")
    try:
        said = net("doctor", status=None).out
        assert "network default has 10.77.0.0/16, and 10.77.8.0/24 is routed by wan0" in said
    finally:
        lan.on(lan.host, "ip", "route", "del", "10.77.8.0/24")


def test_br_netfilter_does_not_break_what_pods_see(net: Pods, lan: Lan) -> None:
    lan.bridged(1)
    net("network", "rm", "default")
    try:
        serve(net, "web", "-p", "8080:80")
        assert lan.ask(lan.near, HOST4, 8080)[1].startswith(f"web {NEAR4}:")
        itself = net.run(
            "--net", "private", "inspect", "--", "connect", HOST4, "8080", "connect", HOST6, "8080"
        )
        assert itself.out.count("web ") == 2
        assert lan.ask(lan.host, "127.0.0.1", 8080)[1].startswith("web ")
        assert lan.refuses(lan.host, "::1", 8080)
    finally:
        lan.bridged(0)
        net.clear()
        net("network", "rm", "default")
