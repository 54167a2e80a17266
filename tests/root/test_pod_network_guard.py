"""EFFECT. What pods cannot do to the network, and what is left when things go wrong or come all at once."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.root.lan import FAR4, HOST4, NEAR4, Lan
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root

# Prints the senders of ARP requests that come to the bridge, until it is killed.
_LISTEN = """
import socket
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
one.bind(("pod0", 0))
print("on", flush=True)
while True:
    frame = one.recv(2000)
    print(socket.inet_ntoa(frame[28:32]), flush=True)
"""


def entry(net: Pods, uuid: str) -> dict[str, object]:
    """The pod's first interface."""
    text = (net.directory(uuid) / "run" / "network" / "network.json").read_bytes()
    found: dict[str, object] = json.loads(text)["endpoints"][0]
    return found


def test_a_pod_sends_no_packet_from_an_address_of_another(net: Pods, lan: Lan) -> None:
    net.run("--net", "private", "inspect", "--", "exit", "0")  # the bridge is there
    argv = ["nsenter", f"--net=/run/netns/{lan.host}", sys.executable, "-c", _LISTEN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as heard:
        assert heard.stdout is not None
        assert heard.stdout.readline() == "on\n"
        # with the host's ids root of the pod does have CAP_NET_RAW
        words = ("--net", "private", "--userns", "host", "--ip", "10.77.3.3", "busybox", "--", "sh", "-c")
        say = "arping -c 2 -I eth0 -s {} 10.77.0.9; true"
        net.run(*words, say.format("10.77.0.1"))
        net.run(*words, say.format("10.77.3.3"))
        assert heard.stdout.readline() == "10.77.3.3\n"  # what was said first did not come through
        heard.kill()


def test_root_of_a_pod_changes_nothing_of_its_network(net: Pods) -> None:
    for userns in ("auto", "host"):
        words = ("--net", "private", "--userns", userns, "busybox", "--", "sh", "-c")
        tries = (
            "ip addr add 10.77.200.1/16 dev eth0", "ip link set eth0 address 02:00:00:00:00:01",
            "ip route del default", "ip link set eth0 down", "echo 1 >/proc/sys/net/ipv4/ip_forward",
        )  # fmt: skip
        for one in tries:
            assert net.run(*words, f"! {one} 2>/dev/null").status == 0, one


def test_nobody_on_a_bridge_reaches_the_loopback_of_the_host(net: Pods, lan: Lan) -> None:
    with lan.serving(lan.host, "127.0.0.1", 6000), lan.serving(lan.host, HOST4, 6001):
        assert net.run("--net", "private", "inspect", "--", "connect", HOST4, "6001").status == 0
        assert (
            net.run("--net", "private", "inspect", "--", "connect", "127.0.0.1", "6000", status=None).status
            != 0
        )


def test_large_packets_find_their_way_through_a_small_link(net: Pods, lan: Lan) -> None:
    server = (
        "import socket, sys; one = socket.create_server((sys.argv[1], 7001)); print('on', flush=True)\n"
        "two, _ = one.accept(); count = 0\n"
        "while part := two.recv(65536): count += len(part)\n"
        "two.sendall(b'%d\\n' % count); two.close()"
    )
    argv = ["nsenter", f"--net=/run/netns/{lan.far}", sys.executable, "-c", server, FAR4]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        send = f"head -c 400000 /dev/zero | nc {FAR4} 7001"
        assert net.run("--net", "private", "busybox", "--", "sh", "-c", send).out == "400000\n"


def test_twenty_pods_at_once_have_addresses_of_their_own_and_leave_nothing(net: Pods, lan: Lan) -> None:
    many = [
        net.beside("run", "--detach", "--name", f"n{number}", "-p", f"{9100 + number}:80", "inspect", "--",
                   "serve", "80", f"n{number}")
        for number in range(20)
    ]  # fmt: skip
    for one in many:
        one.done(0)
    found = [entry(net, uuid) for uuid in net.all()]
    for key in ("ip4", "ip6", "mac", "host"):
        assert len({one[key] for one in found}) == 20
    for number in (0, 9, 19):
        assert lan.ask(lan.near, HOST4, 9100 + number)[1].startswith(f"n{number} {NEAR4}")
    net("rm", "-f", *net.all())
    eventually(lambda: not lan.left(), "all to be gone")


def test_what_was_killed_half_way_is_tidied_up(net: Pods, lan: Lan) -> None:
    notes = Path(f"/run/unitpod/net-{Path(f'/run/netns/{lan.host}').stat().st_ino}/pods")
    for pause in (0.0, 0.01, 0.03, 0.08):
        started = net.beside("run", "-p", "8080:80", "inspect", "--", "pause")
        eventually(lambda: notes.is_dir() and os.listdir(notes), "the pod to take an address")
        time.sleep(pause)
        started.send(signal.SIGKILL)
        started.popen.wait()
        # a pod that was killed while it booted may have lost its signal to stop: gc ends it
        eventually(lambda: net("gc", "-q").status == 0 and not net.all(), "nothing to be there")
        eventually(lambda: not lan.left(), "nothing to be left")


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(found for child in text.split() for found in descendants(int(child)))]


def test_after_kill_9_of_everything_and_a_reboot_nothing_is_taken(net: Pods, lan: Lan) -> None:
    options = ("--ip", "10.77.9.9", "-p", "8080:80")
    words = ("inspect", "--", "serve", "80", "web")
    for rebooted in (False, True):
        uuids = [net.detach(*options, *words), *(net.detach("inspect", "--", "pause") for _ in range(2))]
        monitors = [int((net.directory(uuid) / "run" / "monitor").read_text().split()[0]) for uuid in uuids]
        for pid in [pid for monitor in monitors for pid in descendants(monitor)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for uuid in uuids:
            eventually(lambda: net.status(uuid)["state"] == "exited", "the pod to be over")  # noqa: B023
        if rebooted:
            lan.on(lan.host, "ip", "link", "del", "pod0")
            lan.on(lan.host, "nft", "flush", "ruleset")
            shutil.rmtree(f"/run/unitpod/net-{Path(f'/run/netns/{lan.host}').stat().st_ino}")
        net.detach(*options, *words)
        assert lan.ask(lan.near, HOST4, 8080)[1].startswith("web ")
        assert len({element.split(" . ")[0] for element in lan.elements() if "own4" in element}) == 1
        net("rm", "-f", *net.all())


def test_a_bridge_and_tables_that_are_half_made_are_made_whole(net: Pods, lan: Lan) -> None:
    for words in (
        "ip link add pod0 type bridge",
        "nft add table inet unitpod",
        "nft add table bridge unitpod",
    ):
        net("network", "rm", "default")
        lan.on(lan.host, *words.split())
        net.detach("--name", "web", "-p", "8080:80", "inspect", "--", "serve", "80", "web")
        assert lan.ask(lan.near, HOST4, 8080)[1].startswith("web "), words
        net("rm", "-f", "web")


def test_pods_gone_are_no_names_any_more(net: Pods) -> None:
    stays = net.detach("--name", "stays", "inspect", "--", "pause")
    net.detach("--name", "goes", "inspect", "--", "pause")
    hosts = net.directory(stays) / "run" / "network" / "hosts"
    assert " goes" in hosts.read_text()
    net("rm", "-f", "goes")
    assert " goes" not in hosts.read_text()


def test_a_firewall_that_drops_all_is_told_to_let_pods_pass(net: Pods, lan: Lan) -> None:
    """As Docker leaves a host; our own rules cannot accept what others drop."""
    docker = (
        "table ip filter { chain DOCKER-USER { }; chain FORWARD { type filter hook forward priority 0; policy drop;"
        " jump DOCKER-USER; }; }"
    )
    lan.on(lan.host, "nft", "-f", "-", input=docker)
    try:
        net.detach("--name", "web", "-p", "8080:80", "inspect", "--", "serve", "80", "web")
        assert lan.ask(lan.host, "127.0.0.1", 8080)[1].startswith("web ")
        assert lan.refuses(lan.near, HOST4, 8080)
        assert "chain ip filter FORWARD" in net("doctor", status=None).out
        for way in ("iifname", "oifname"):
            lan.on(lan.host, "nft", "add", "rule", "ip", "filter", "DOCKER-USER", way, "pod0", "accept")
        assert lan.ask(lan.near, HOST4, 8080)[1].startswith("web ")
    finally:
        lan.on(lan.host, "nft", "delete", "table", "ip", "filter")
