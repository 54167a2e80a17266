"""EFFECT. `tests/bench/network.py`: pods with a network of their own beside podman's default network (netavark).

Everything runs in a network and a mount namespace of this program; a second network namespace is the other host. Each
figure is a time, so less is better: to start, to move bytes, to make connections.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.bench.measure import BenchError, Row, progress, run, run_row, table, timed
from tests.bench.podman import Podman
from tests.lab.machine import REPO

INSIDE = "POD_BENCH_NETWORK"
HERE, OTHER = "198.18.0.1", "198.18.0.2"
SERVER, PORT, AMOUNT, CONNECTIONS = 5201, 15201, "1G", 300
PATIENCE = 20.0


class Contestant:
    """A runtime: how it runs a program in the foreground, keeps one running, and tells its address."""

    environment: dict[str, str] | None = None

    def once(self, *options: str) -> list[str]:
        """Command line that runs `/iperf3 --version` to its end."""
        raise NotImplementedError

    def keep(self, name: str, options: tuple[str, ...], *words: str) -> None:
        """Start words of the image and leave them running."""
        raise NotImplementedError

    def address(self, name: str) -> str:
        """Where it is."""
        raise NotImplementedError

    def remove(self, *names: str) -> None:
        """End and remove."""
        raise NotImplementedError


class OfPod(Contestant):
    """The product."""

    def __init__(self, scratch: Path) -> None:
        self.data = scratch / "pod"
        self.program = Path(sys.executable).with_name("pod")

    def argv(self, *words: str | Path) -> list[str]:
        """A command line of pod on this data root."""
        return [str(self.program), "--dir", str(self.data), *map(str, words)]

    def prepare(self, tree: Path) -> None:
        """Import the image."""
        run(self.argv("image", "import", f"dir:{tree}", "--name", "net"))

    def once(self, *options: str) -> list[str]:
        """As above."""
        return self.argv("run", "--rm", *options, "net", "--exec", "/iperf3", "--", "--version")

    def keep(self, name: str, options: tuple[str, ...], *words: str) -> None:
        """As above."""
        program, *rest = words
        run(self.argv("run", "-d", "--name", name, *options, "net", "--exec", program, "--", *rest))

    def address(self, name: str) -> str:
        """As above."""
        (uuid,) = re.findall(r'"uuid": "([^"]+)"', run(self.argv("status", "--json", name)))
        text = (self.data / "pods" / "run" / uuid / "run" / "network" / "network.json").read_text()
        return re.findall(r'"ip4": "([^"]+)"', text)[0]

    def remove(self, *names: str) -> None:
        """As above."""
        run(self.argv("rm", "-f", *names))


class OfPodman(Contestant):
    """podman with the network it has by default."""

    def __init__(self, scratch: Path) -> None:
        self.podman = Podman(scratch, REPO / "build" / "images")
        self.group = f"--cgroup-parent={self.podman.group}"
        self.environment = self.podman.environment

    def prepare(self, tree: Path) -> None:
        """Import the image."""
        self.podman.prepare()
        archive = tree.with_suffix(".tar")
        run(["tar", "-C", tree, "-cf", archive, "."])
        self.podman.run("import", "--quiet", archive, "localhost/net:latest")

    def once(self, *options: str) -> list[str]:
        """As above."""
        return self.podman.argv("run", "--rm", self.group, *options, "localhost/net", "/iperf3", "--version")

    def keep(self, name: str, options: tuple[str, ...], *words: str) -> None:
        """As above."""
        self.podman.run("run", "-d", "--name", name, self.group, *options, "localhost/net", *words)

    def address(self, name: str) -> str:
        """As above."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return self.podman.run("inspect", "--format", form, name).strip()

    def remove(self, *names: str) -> None:
        """As above."""
        self.podman.run("rm", "--force", "--time=0", *names)


def make_tree(tree: Path) -> None:
    """iperf3 and inspect with what they are linked with."""
    program = shutil.which("iperf3")
    if program is None:
        raise BenchError("iperf3 is not installed")
    linked = re.findall(r"(/\S+) \(0x", run(["ldd", program]))
    for path in linked:
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    shutil.copy(program, tree / "iperf3")
    for name in ("tmp", "etc", "dev", "proc", "sys", "run"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    layout = REPO / "build" / "images" / "inspect"
    unpacked = tree.with_name("inspect")
    run(["umoci", "unpack", "--image", f"{layout}:latest", unpacked])
    shutil.copy(unpacked / "rootfs" / "inspect", tree / "inspect")


@contextlib.contextmanager
def other_host() -> Iterator[str]:
    """A network namespace on a cable, as a process that waits in it; the words that run a program there."""
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as there:
        wait_for(lambda: os.readlink(f"/proc/{there.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        run(["ip", "link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", str(there.pid)])
        run(["ip", "addr", "add", f"{HERE}/24", "dev", "wan0"])
        run(["ip", "link", "set", "wan0", "up"])
        words = f"nsenter --target={there.pid} --net"
        for command in ("link set lo up", f"addr add {OTHER}/24 dev eth0", "link set eth0 up",
                        f"route add default via {HERE}"):  # fmt: skip
            run([*words.split(), "ip", *command.split()])
        run(["ip", "route", "add", "default", "via", OTHER])
        try:
            yield words
        finally:
            there.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    """Until something is true."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > limit:
            raise BenchError("waited in vain")
        time.sleep(0.02)


def answers(host: str, port: int) -> bool:
    """Tell whether a server is there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


def connect(host: str, port: int) -> float:
    """Make connections one after the other, each to its end."""
    start = time.perf_counter()
    for _ in range(CONNECTIONS):
        with socket.create_connection((host, port), 10) as one:
            one.shutdown(socket.SHUT_WR)
            while one.recv(4096):
                pass
    return time.perf_counter() - start


def move(words: str, host: str, port: int) -> float:
    """Send bytes to a server."""
    return timed([*words.split(), "iperf3", "-c", host, "-p", str(port), "-n", AMOUNT])


def rows(contestants: dict[str, Contestant], away: str, rounds: int) -> Iterator[Row]:
    """All lines of the table; servers of both run from the second row on."""
    yield Row(name="one app with a network, start to end", unit="s", rounds=3 * rounds, contestants={
        name: partial(timed, one.once(), env=one.environment) for name, one in contestants.items()
    })  # fmt: skip
    yield Row(name="the same with a published port", unit="s", rounds=3 * rounds, contestants={
        name: partial(timed, one.once("-p", "18080:80"), env=one.environment) for name, one in contestants.items()
    })  # fmt: skip
    places = {}
    for number, (name, one) in enumerate(contestants.items()):
        one.keep("server", ("-p", f"{PORT + number}:{SERVER}"), "/iperf3", "-s", "-p", str(SERVER))
        one.keep("hello", ("-p", f"{PORT + 10 + number}:80"), "/inspect", "serve", "80", "hello")
        places[name] = (one.address("server"), PORT + number, PORT + 10 + number)
        wait_for(partial(answers, HERE, PORT + 10 + number))
    yield Row(name=f"{AMOUNT} from the host to the app", unit="s", rounds=rounds, contestants={
        name: partial(move, "", ip, SERVER) for name, (ip, _, _) in places.items()
    })  # fmt: skip
    yield Row(name=f"{AMOUNT} from another host by a published port", unit="s", rounds=rounds, contestants={
        name: partial(move, away, HERE, port) for name, (_, port, _) in places.items()
    })  # fmt: skip
    for host in (HERE, "127.0.0.1"):
        calls = {name: partial(connect, host, port) for name, (_, _, port) in places.items()}
        yield Row(
            name=f"{CONNECTIONS} connections to a port of {host}", unit="s", rounds=rounds, contestants=calls
        )


@contextlib.contextmanager
def room_for(pods: int) -> Iterator[None]:
    """The systemd of each pod takes three inotify instances, and most hosts allow root 128."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    before = limit.read_text()
    limit.write_text(str(max(int(before), 3 * pods + 128)))
    try:
        yield
    finally:
        limit.write_text(before)


def many(pod: OfPod, count: int) -> str:
    """Start so many pods on one bridge; how long the first and the last ten took, and a connection to each."""
    times = []
    try:
        for number in range(count):
            words = ("-p", f"{20000 + number}:80")
            start = time.perf_counter()
            pod.keep(f"n{number}", words, "/inspect", "serve", "80", f"n{number}")
            times.append(time.perf_counter() - start)
            progress(f"pod {number + 1} of {count}")
        wait_for(lambda: all(answers(HERE, 20000 + number) for number in range(count)))
    finally:
        pod.remove(*(f"n{number}" for number in range(len(times))))
    some = min(10, count)
    first, last = (sum(part) / some for part in (times[:some], times[-some:]))
    speed = (
        f"the first {some} started in {first * 1000:.0f} ms each, the last {some} in {last * 1000:.0f} ms"
    )
    return f"{count} pods on one bridge: {speed}"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="network.py", description="Compare networks of pod and podman.")
    parser.add_argument("--rounds", type=int, default=5, help="of each row (default 5)")
    parser.add_argument("--pods", type=int, default=100, help="how many on one bridge (default 100)")
    parser.add_argument("--quick", action="store_true", help="one round each, few pods: does it work at all")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.pods = 1, 3
    run(["ip", "link", "set", "lo", "up"])
    scratch = Path(tempfile.mkdtemp(prefix="podbench-", dir="/var/tmp"))
    pod, podman = OfPod(scratch), OfPodman(scratch)
    contestants: dict[str, Contestant] = {"pod": pod, "podman": podman}
    try:
        (scratch / "tree").mkdir()
        make_tree(scratch / "tree")
        pod.prepare(scratch / "tree")
        podman.prepare(scratch / "tree")
        with other_host() as away:
            results = [run_row(row, progress) for row in rows(contestants, away, options.rounds)]
            for one in contestants.values():
                one.remove("server", "hello")
            progress("")
            sys.stdout.write(table(results) + "\n")
            if options.pods:
                with room_for(options.pods):
                    sys.stdout.write(many(pod, options.pods) + "\n")
    finally:
        run(pod.argv("gc", "-q"), expect=None)
        podman.podman.close()
        inode = Path("/proc/self/ns/net").stat().st_ino
        shutil.rmtree(f"/run/unitpod/net-{inode}", ignore_errors=True)
        subprocess.run(["umount", "--recursive", scratch / "podman"], check=False, capture_output=True)
        shutil.rmtree(scratch, ignore_errors=True)
    return 1 if any(result.failures for result in results) else 0


if __name__ == "__main__":
    if os.environ.get(INSIDE) != "1":
        argv = ["unshare", "--mount", "--net", "--propagation", "slave", "--", sys.executable, *sys.argv]
        os.execvpe(argv[0], argv, {**os.environ, INSIDE: "1", "PYTHONPATH": str(REPO)})
    sys.exit(main())
