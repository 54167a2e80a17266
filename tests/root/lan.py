"""EFFECT. A few hosts on a cable, as network namespaces: nothing here touches an interface of this machine.

`host` is where pods run; `near` is on the same wire, `far` behind `near` as a router with a smaller MTU.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HOST4, HOST6 = "192.0.2.1", "2001:db8:1::1"
NEAR4, NEAR6 = "192.0.2.2", "2001:db8:1::2"
FAR4, FAR6 = "198.51.100.2", "2001:db8:2::2"
SMALL_MTU = 1300

_ASK = """
import socket, sys
host, port, kind, size = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
one = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
one.settimeout(8)
one.connect((host, port))
one.sendall(b"x" * size) if size else None
if kind == "tcp":
    one.shutdown(socket.SHUT_WR)
got = b""
while part := one.recv(65536):
    got += part
    if kind == "udp":
        break
sys.stdout.write(one.getsockname()[0] + " " + got.decode())
"""


class Lan:
    """The hosts; `inode` names what unitpod knows of `host`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.host, self.near, self.far = (f"{name}-{kind}" for kind in ("host", "near", "far"))

    def make(self) -> None:
        """Cables, addresses, routes."""
        for space in (self.host, self.near, self.far):
            self.ip("netns", "add", space)
            self.on(space, "ip", "link", "set", "lo", "up")
        self.cable(self.host, "wan0", self.near, "eth0")
        self.cable(self.near, "eth1", self.far, "eth0", SMALL_MTU)
        for space, device, four, six in (
            (self.host, "wan0", HOST4, HOST6),
            (self.near, "eth0", NEAR4, NEAR6),
            (self.near, "eth1", "198.51.100.1", "2001:db8:2::1"),
            (self.far, "eth0", FAR4, FAR6),
        ):
            self.on(space, "ip", "addr", "add", f"{four}/24", "dev", device)
            self.on(space, "ip", "addr", "add", f"{six}/64", "dev", device, "nodad")
        for family, gateway, back in (("-4", NEAR4, "198.51.100.1"), ("-6", NEAR6, "2001:db8:2::1")):
            self.on(self.host, "ip", family, "route", "add", "default", "via", gateway)
            self.on(self.far, "ip", family, "route", "add", "default", "via", back)
        for key in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            self.on(self.near, "sysctl", "-qw", f"net.{key}=1")
        self.bridged(0)

    def bridged(self, value: int) -> None:
        """Whether the host shows bridged packets to its packet filter (br_netfilter, as Docker wants it)."""
        if Path("/proc/sys/net/bridge").is_dir():
            for kind in ("iptables", "ip6tables"):
                self.on(self.host, "sysctl", "-qw", f"net.bridge.bridge-nf-call-{kind}={value}")

    def cable(self, one: str, name: str, other: str, far: str, mtu: int = 1500) -> None:
        """A veth pair between two hosts."""
        self.ip("link", "add", name, "netns", one, "mtu", str(mtu), "type", "veth",
                "peer", "name", far, "netns", other, "mtu", str(mtu))  # fmt: skip
        self.on(one, "ip", "link", "set", name, "up")
        self.on(other, "ip", "link", "set", far, "up")

    def remove(self) -> None:
        """All of it, and what unitpod noted of the hosts."""
        for space in (self.host, self.near, self.far):
            place = Path(f"/run/netns/{space}")
            inode = place.stat().st_ino if place.exists() else 0
            with contextlib.suppress(subprocess.CalledProcessError):
                self.ip("netns", "del", space)
            subprocess.run(["rm", "-rf", f"/run/unitpod/net-{inode}"], check=True)

    @staticmethod
    def ip(*words: str) -> str:
        """`ip WORDS`."""
        done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=60)
        return done.stdout

    def on(self, space: str, *words: str, status: int | None = 0, **how: Any) -> str:
        """A command on a host; its output."""
        argv = ["nsenter", f"--net=/run/netns/{space}", *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, **how)
        assert status is None or done.returncode == status, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, space: str, host: str, port: int, kind: str = "tcp", size: int = 0) -> tuple[str, str]:
        """Connect and read: the address we came from, and what the server said."""
        words = (sys.executable, "-c", _ASK, host, str(port), kind, str(size))
        came_from, _, said = self.on(space, *words).partition(" ")
        return came_from, said.strip()

    @contextlib.contextmanager
    def serving(self, space: str, address: str, port: int) -> Iterator[None]:
        """A TCP server on a host that says who comes."""
        server = (
            "import socket, sys; one = socket.create_server((sys.argv[1], int(sys.argv[2])),"
            " family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET); print('on', flush=True)\n"
            "while True: two, who = one.accept(); two.sendall(who[0].encode() + b'\\n'); two.close()"
        )
        words = [sys.executable, "-c", server, address, str(port)]
        argv = ["nsenter", f"--net=/run/netns/{space}", *words]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"on\n"
            try:
                yield
            finally:
                process.kill()

    def refuses(self, space: str, host: str, port: int) -> bool:
        """True if nobody answers there."""
        words = (
            sys.executable,
            "-c",
            _ASK.replace("settimeout(8)", "settimeout(2)"),
            host,
            str(port),
            "tcp",
            "0",
        )
        argv = ["nsenter", f"--net=/run/netns/{space}", *words]
        return subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode != 0

    def elements(self) -> list[str]:
        """What pods have in our tables of the host: everything but what belongs to networks."""
        found: list[str] = []
        text = self.on(self.host, "nft", "-j", "list", "ruleset")
        for item in json.loads(text)["nftables"]:
            one = item.get("set") or item.get("map") or {}
            if one.get("table") == "unitpod" and one["name"] in {
                "any4", "any6", "on4", "on6", "own4", "own6", "told6",
            }:  # fmt: skip
                found += [f"{one['name']} {element}" for element in one.get("elem", [])]
        return found

    def ruleset(self, *, ours: bool) -> str:
        """The host's rules: of our tables or of all others, without counters."""
        text = self.on(self.host, "nft", "-s", "list", "ruleset")
        tables = [f"table {part}" for part in text.split("table ")[1:]]
        return "".join(table for table in tables if (table.split()[2] == "unitpod") == ours)

    def left(self) -> list[str]:
        """What pods left on the host: interfaces, elements of the rules, notes."""
        links = [one["ifname"] for one in json.loads(self.on(self.host, "ip", "-j", "link"))]
        inode = Path(f"/run/netns/{self.host}").stat().st_ino
        notes = Path(f"/run/unitpod/net-{inode}/pods")
        return [
            *(name for name in links if name.startswith(("vpod", "upod"))),
            *self.elements(),
            *(str(path) for path in (notes.iterdir() if notes.is_dir() else ())),
        ]


class OnHost:
    """Where commands run for `Pods`: in the network namespace of a host, with this machine's files."""

    files = Path("/")

    def __init__(self, space: str) -> None:
        self.space = space

    def argv(self, words: list[str], env: Mapping[str, str]) -> list[str]:
        """An environment made from nothing."""
        pairs = (f"{name}={value}" for name, value in env.items())
        return ["nsenter", f"--net=/run/netns/{self.space}", "/usr/bin/env", "-i", *pairs, *words]

    def pid(self, popen: subprocess.Popen[bytes]) -> int:
        """nsenter and env became the command."""
        return popen.pid


@contextlib.contextmanager
def made() -> Iterator[Lan]:
    """A lan of this process, gone afterwards."""
    lan = Lan(f"lan{os.getpid()}")
    try:
        lan.make()
        yield lan
    finally:
        lan.remove()
