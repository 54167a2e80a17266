"""EFFECT. What somebody with every right over a pod's network namespace cannot do to others, and who reaches whom."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys

import pytest

from tests.root.lan import HOST4, HOST6, Lan
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root

# Prints the labels in the frames that come to the bridge.
_LISTEN = """
import re, socket
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
one.bind(("pod0", 0))
print("on", flush=True)
while True:
    for label in re.findall(rb"<[a-z0-9 ]+>", one.recv(2000)):
        print(label.decode(), flush=True)
"""
OTHER_MAC = "02:00:00:00:00:66"


def packed(address: str) -> bytes:
    """An address as bytes."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def frame(mac: str, kind: int, packet: bytes) -> str:
    """An Ethernet frame to everybody, as hexadecimal digits."""
    return (b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) + kind.to_bytes(2, "big") + packet).hex()


def packet4(source: str, label: str) -> bytes:
    """An IPv4 packet of UDP; the sums are left out, as a bridge does not look at them."""
    data = bytes(8) + f"<{label}>".encode()
    length = (20 + len(data)).to_bytes(2, "big")
    head = b"\x45\x00" + length + bytes(4) + b"\x40\x11" + header_sum(b"\x45\x00" + length, source)
    return head + packed(source) + packed("10.77.255.255") + data


def header_sum(start: bytes, source: str) -> bytes:
    """The sum over an IPv4 header: a bridge with br_netfilter does look."""
    head = start + bytes(4) + b"\x40\x11" + packed(source) + packed("10.77.255.255")
    total = sum(int.from_bytes(head[place : place + 2], "big") for place in range(0, len(head), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (total ^ 0xFFFF).to_bytes(2, "big")


def packet6(source: str, label: str, following: int = 17, data: bytes = bytes(8)) -> bytes:
    """An IPv6 packet to all nodes."""
    data += f"<{label}>".encode()
    return (
        b"\x60\0\0\0"
        + len(data).to_bytes(2, "big")
        + bytes([following, 255])
        + packed(source)
        + packed("ff02::1")
        + data
    )


def arp(mac: str, address: str, label: str) -> bytes:
    """An ARP answer: the address is at the hardware address."""
    own = bytes.fromhex(mac.replace(":", ""))
    return b"\0\1\x08\0\6\4\0\2" + own + packed(address) + bytes(10) + f"<{label}>".encode()


def send(net: Pods, pod: str, *frames: str) -> None:
    """By the app's own rights: the namespace is the pod's, and CAP_NET_RAW is enough."""
    net("exec", pod, "/inspect", *(word for one in frames for word in ("frame", "eth0", one)))


def test_nothing_false_leaves_a_pod(net: Pods, lan: Lan) -> None:
    uuid = net.detach("--name", "bad", "inspect", "--cap-add", "NET_ADMIN", "--", "pause")
    end = json.loads((net.directory(uuid) / "run" / "network" / "network.json").read_bytes())["endpoints"][0]
    mac, ip4, ip6 = end["mac"], end["ip4"], end["ip6"]
    gateway6 = json.loads(net("network", "inspect", "default").out)[0]["gateway6"]
    advert = bytes([136, 0, 0, 0, 0x20, 0, 0, 0]) + packed(gateway6)
    frames = [
        frame(mac, 0x0800, packet4("10.77.0.1", "v4 of the host")),
        frame(mac, 0x0800, packet4("192.0.2.66", "v4 of elsewhere")),
        frame(OTHER_MAC, 0x0800, packet4(ip4, "v4 by another mac")),
        frame(mac, 0x86DD, packet6(gateway6, "v6 of the host")),
        frame(mac, 0x86DD, packet6("2001:db8::66", "v6 of elsewhere")),
        frame(mac, 0x86DD, packet6("fe80::66", "v6 of the link")),
        frame(mac, 0x86DD, packet6("::", "v6 of nobody")),
        frame(OTHER_MAC, 0x86DD, packet6(ip6, "v6 by another mac")),
        frame(mac, 0x86DD, packet6(ip6, "neighbour advert", 58, advert)),
        frame(mac, 0x86DD, packet6(ip6, "router advert", 58, bytes([134, *bytes(15)]))),
        frame(mac, 0x86DD, packet6(ip6, "redirect", 58, bytes([137, *bytes(39)]))),
        frame(mac, 0x0806, arp(mac, "10.77.0.1", "arp of the host")),
        frame(mac, 0x0806, arp(OTHER_MAC, ip4, "arp of another mac")),
        frame(mac, 0x8100, b"\0\5\x08\0" + packet4("10.77.0.1", "in a vlan")),
        frame(mac, 0x88CC, b"<lldp>"),
        frame(mac, 0x86DD, packet6(ip6, "true v6")),
        frame(mac, 0x0806, arp(mac, ip4, "true arp")),
        frame(mac, 0x0800, packet4(ip4, "true v4")),
    ]
    argv = ["nsenter", f"--net=/run/netns/{lan.host}", sys.executable, "-c", _LISTEN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as heard:
        assert heard.stdout is not None
        try:
            assert heard.stdout.readline() == "on\n"
            send(net, "bad", *frames)
            # frames of one port keep their order: what was to be dropped was sent before these
            said = [heard.stdout.readline() for _ in range(3)]
            assert said == ["<true v6>\n", "<true arp>\n", "<true v4>\n"]
        finally:
            heard.kill()


def test_a_bridge_learns_nothing_from_a_pod(net: Pods, lan: Lan) -> None:
    """Frames to the addresses reserved for bridges themselves pass every rule, and would teach it where others are."""
    for last, name in (("5.5", "good"), ("6.6", "bad")):
        net.detach("--name", name, "--ip", f"10.77.{last}", "inspect", "--", "serve", "80", name)
    good, none = "0a:58:0a:4d:05:05", "0a:58:0a:4d:07:07"
    for source in (good, none):
        to = ("0180c20000" + last for last in ("00", "01", "02", "03", "0d", "0e", "0f", "21"))
        send(net, "bad", *(one + source.replace(":", "") + "88cc" + "00" * 50 for one in to))
    known = lan.on(lan.host, "bridge", "fdb", "show", "br", "pod0")
    assert none not in known
    assert len({line.split()[2] for line in known.splitlines() if good in line}) == 1
    assert lan.ask(lan.host, "10.77.5.5", 80)[1].startswith("good ")


def test_a_pod_that_changes_its_addresses_is_heard_by_nobody(net: Pods, lan: Lan) -> None:
    """And those whose addresses it takes notice nothing."""
    net.detach("--name", "good", "--ip", "10.77.5.5", "inspect", "--", "serve", "80", "good")
    sees, sees_not = "ping -c 1 -W 5 10.77.0.1 >/dev/null &&", "! ping -c 1 -W 1 10.77.0.1 >/dev/null &&"
    changes = (
        sees,
        "ip addr del 10.77.6.6/16 dev eth0 && ip addr add 10.77.5.5/16 dev eth0 &&", sees_not,
        "ip addr del 10.77.5.5/16 dev eth0 && ip addr add 10.77.6.6/16 dev eth0 &&", sees,
        "ip link set eth0 down && ip link set eth0 address 0a:58:0a:4d:05:05 && ip link set eth0 up &&", sees_not,
        "ip addr del 10.77.6.6/16 dev eth0 && ip addr add 10.77.5.5/16 dev eth0 &&", sees_not,
        "echo all of it && sleep 1000",
    )  # fmt: skip
    rights = ("--cap-add", "NET_ADMIN,NET_RAW")
    words = ("--name", "bad", "--ip", "10.77.6.6", "busybox", *rights, "--", "sh", "-c", " ".join(changes))
    uuid = net.detach(*words)
    eventually(lambda: net.log(uuid), "the changes to be made")
    assert net.log(uuid) == ["all of it"]
    for _ in range(3):
        assert lan.ask(lan.host, "10.77.5.5", 80)[1].startswith("good ")


def test_only_published_ports_lead_from_outside_to_pods(net: Pods, lan: Lan) -> None:
    """Also for a host that knows the way to the pods' own addresses."""
    uuid = net.detach("--name", "web", "-p", "8080:80", "inspect", "--", "serve", "80", "web")
    end = json.loads((net.directory(uuid) / "run" / "network" / "network.json").read_bytes())["endpoints"][0]
    routes = (("-4", "10.77.0.0/16", HOST4), ("-6", re.sub("::.*", "::/64", end["ip6"]), HOST6))
    for family, target, gateway in routes:
        lan.on(lan.near, "ip", family, "route", "add", target, "via", gateway)
    try:
        for address in (end["ip4"], end["ip6"]):
            assert lan.refuses(lan.near, address, 80)
            assert lan.ask(lan.host, address, 80)[1].startswith("web ")
    finally:
        for family, target, _ in routes:
            lan.on(lan.near, "ip", family, "route", "del", target)


def test_networks_do_not_reach_each_other(net: Pods) -> None:
    """But for a pod that is on both."""
    for name in ("blue", "red"):
        net("network", "create", name)
    try:
        uuid = net.detach("--name", "one", "--net", "blue", "inspect", "--", "serve", "80", "one")
        end = json.loads((net.directory(uuid) / "run" / "network" / "network.json").read_bytes())[
            "endpoints"
        ][0]
        for network, kind in (("red", "ip4"), ("private", "ip6")):
            words = ("inspect", "--", "connect", end[kind], "80")
            assert net.run("--net", network, *words, status=None).status != 0
        both = net.run("--net", "red", "--net", "blue", "inspect", "--", "connect", "one", "80")
        assert both.out.startswith("one ")
    finally:
        net.clear()
        net("network", "rm", "blue", "red")


def test_ping_needs_no_right(net: Pods, lan: Lan) -> None:
    """By the kernel's ping sockets, for root of a pod and for every other user."""
    for user in ("0", "1000"):
        words = ("inspect", "--user", user, "--", "ping", HOST4, "ping", HOST6, "ping", "127.0.0.1")
        assert net.run(*words).out == "echo\n" * 3, lan.name
