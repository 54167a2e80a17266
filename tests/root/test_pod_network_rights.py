"""EFFECT. Capabilities over the network: what they are worth in a pod with ids of its own; nothing without them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import needs_program
from tests.root.lan import Lan
from tests.root.native import program
from tests.root.pods import Pods, Running, eventually

pytestmark = pytest.mark.root

CLOSED = ("--sysctl", "net.ipv4.ip_unprivileged_port_start=1024")
# Where the host keeps its programs and what they are linked with.
PROGRAMS = tuple(word for path in ("/usr", "/lib", "/lib64") for word in ("--volume", f"{path}:{path}:ro"))
# VFS_CAP_REVISION_2 with the effective flag, CAP_NET_BIND_SERVICE permitted (linux/capability.h).
BIND_SERVICE = bytes.fromhex("0100000200040000000000000000000000000000")


def shell(net: Pods, script: str, *options: str, status: int | None = 0) -> str:
    """What a shell in a pod of its own prints."""
    return net.run("busybox", *options, "--", "sh", "-c", script, status=status).out


def test_a_low_port_where_not_everybody_may_takes_the_capability(net: Pods) -> None:
    for options, said in (
        ((), "ok"),
        (("--cap-drop", "NET_BIND_SERVICE"), "EACCES"),
        (("--user", "1000"), "EACCES"),
        (("--user", "1000", "--cap-add", "NET_BIND_SERVICE"), "ok"),
    ):
        done = net.run(*CLOSED, "inspect", *options, "--", "syscall", "bind-low-port")
        assert done.out == f"bind-low-port {said}\n", options
    for options in ((), ("--cap-drop", "all"), ("--user", "1000")):
        done = net.run("inspect", *options, "--", "syscall", "bind-low-port")
        assert done.out == "bind-low-port ok\n", options


@pytest.fixture
def capped(net: Pods, tmp_path: Path) -> str:
    """An image whose program has CAP_NET_BIND_SERVICE as a file capability, as Caddy's has."""
    tmp_path.chmod(0o755)  # the root of the image
    (tmp_path / "etc").mkdir()
    web = tmp_path / "web"
    shutil.copy(next(net.root.glob("layers/*/inspect")), web)
    os.setxattr(web, "security.capability", BIND_SERVICE)
    net("image", "import", f"dir:{tmp_path}", "--name", "capped")
    return "capped"


def test_a_program_with_a_file_capability_runs_and_has_it(net: Pods, capped: str) -> None:
    words = ("--exec", "/web", "--", "syscall", "bind-low-port")
    assert net.run(*CLOSED, capped, *words).out == "bind-low-port ok\n"
    # no_new_privs, which is set for who is not root: it runs, and everybody may bind low ports
    assert net.run(capped, "--user", "1000", *words).out == "bind-low-port ok\n"
    assert net.run(*CLOSED, capped, "--user", "1000", *words).out == "bind-low-port EACCES\n"


def test_the_network_is_changed_by_who_has_the_right(net: Pods) -> None:
    changes = (
        "ip addr add 10.77.200.1/16 dev eth0", "ip route add 10.1.0.0/16 via 10.77.0.1", "ip link set eth0 mtu 1400",
        "ip rule add from 10.1.0.0/16 table 9", "ip tunnel add t0 mode ipip remote 10.77.0.9",
    )  # fmt: skip
    script = "; ".join(f"{one} 2>/dev/null && echo yes" for one in (*changes, "true"))
    assert (
        shell(net, script, "--cap-add", "NET_ADMIN").count("yes") >= len(changes) - 1
    )  # ipip may be no module here
    for options in ((), ("--user", "1000"), ("--cap-drop", "all")):
        assert shell(net, script, *options) == "yes\n"


def test_settings_of_the_network_are_written_by_who_has_the_right(net: Pods) -> None:
    """Two kinds: one for which the kernel asks for the right, and one for which it lets any root of the host write."""
    script = "for one in ipv4/ip_forward core/somaxconn; do (echo 1 >/proc/sys/net/$one) 2>/dev/null && echo yes; done"
    for options, said in (((), ""), (("--user", "1000"), ""), (("--cap-add", "NET_ADMIN"), "yes\nyes\n")):
        assert shell(net, f"{script}; true", *options) == said, options
    for rights in ((), ("--cap-add", "NET_ADMIN")):
        words = ("busybox", *rights, "--", "sh", "-c", f"{script}; true")
        assert net.run("--userns", "host", *words).out == "", rights


def test_raw_sockets_are_for_who_has_the_right(net: Pods) -> None:
    words = ("--", "syscall", "raw-socket", "syscall", "packet-socket")
    for options, said in (
        ((), "ok"),
        (("--cap-drop", "NET_RAW"), "EPERM"),
        (("--user", "1000"), "EPERM"),
        (("--user", "1000", "--cap-add", "NET_RAW"), "ok"),
    ):
        assert net.run("inspect", *options, *words).out == f"raw-socket {said}\npacket-socket {said}\n"
    # this build of BusyBox knows no other way
    assert "1 packets received" in shell(net, "ping -c 1 10.77.0.1")


def test_a_tunnel_device_is_made_by_who_has_device_and_right(net: Pods) -> None:
    if not Path("/dev/net/tun").exists():
        pytest.skip("this kernel has no /dev/net/tun")
    script = "tunctl -t tun7 >/dev/null && ip addr add 10.99.0.1/24 dev tun7 && ls /sys/class/net"
    device = ("--device", "/dev/net/tun")
    assert "tun7" in shell(net, script, *device, "--cap-add", "NET_ADMIN").split()
    for options in (device, ("--cap-add", "NET_ADMIN")):
        assert "tun7" not in shell(net, f"({script}) 2>/dev/null", *options, status=None)


def test_a_pod_has_packet_filter_rules_of_its_own(net: Pods, lan: Lan) -> None:
    needs_program("nft")
    before = lan.ruleset(ours=False)
    rules = "add table ip mine; add chain ip mine c { type filter hook output priority 0; }; add rule ip mine c accept"
    script = f"/usr/sbin/nft '{rules}'; /usr/sbin/nft list ruleset"
    said = shell(net, script, *PROGRAMS, "--cap-add", "NET_ADMIN")
    assert "accept" in said
    assert "unitpod" not in said
    assert lan.ruleset(ours=False) == before
    assert "mine" not in shell(net, script, *PROGRAMS, status=None)


def test_what_cannot_be_set_up_is_one_error_and_leaves_nothing(net: Pods) -> None:
    refused = net("run", "--sysctl", "net.ipv4.nothing=1", "inspect", status=125)
    assert len(refused.err.splitlines()) == 1
    assert "cannot set /proc/sys/net/ipv4/nothing" in refused.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "usage: begin"),
        (["--close-settings"], "usage: begin"),
        (["/bin/true"], "nobody sets up the pod's network"),
    ],
)
def test_the_first_program_of_a_pod_ends_where_it_has_nothing_to_begin_with(
    words: list[str], said: str
) -> None:
    done = subprocess.run(
        [program("begin"), *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 125
    assert said in done.stderr


@pytest.mark.parametrize("victim", ["monitor", "the process that sets it up"])
def test_a_pod_whose_network_nobody_sets_up_any_more_ends(net: Pods, victim: str) -> None:
    started, wiring, leader = waiting(net)
    os.kill(started.pid if victim == "monitor" else wiring, signal.SIGKILL)
    done = started.done(None)
    assert done.status != 0
    assert "here" not in done.out
    if victim != "monitor":
        assert "the process that sets up the pod's network was killed" in done.err
    eventually(lambda: command(leader) == [], "the pod's PID 1 to be gone")
    net("gc", "-q")


def waiting(net: Pods) -> tuple[Running, int, int]:
    """A pod, the process that sets up its network, which is stopped, and PID 1, which waits for it."""
    for _ in range(20):
        started = net.beside("run", "inspect", "--", "print", "here")
        over = partial(started.popen.poll)
        wiring = eventually(lambda: forked(started.pid) or over() is not None, "the process to be there")  # noqa: B023
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(wiring), signal.SIGSTOP)
        leader = eventually(lambda: begun(started.pid) or over() is not None, "PID 1 to wait")  # noqa: B023
        if over() is None:
            return started, int(wiring), int(leader)
        started.done(0)  # we came too late
    pytest.fail("each time the network was set up too soon")


def children(pid: int) -> list[int]:
    """Of a process, the eldest first."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in text.split()]


def forked(pid: int) -> int:
    """A child of a monitor that is the same program, beside systemd-nspawn, which another became before."""
    found = {child: command(child) for child in children(pid)}
    if not any(words and words[0].endswith("/systemd-nspawn") for words in found.values()):
        return 0
    return next((child for child, words in found.items() if words == command(pid) and sleeps(child)), 0)


def sleeps(pid: int) -> bool:
    """It waits for PID 1, so all before that is done."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
    except (FileNotFoundError, ProcessLookupError):
        return False


def begun(pid: int) -> int:
    """PID 1 of the pod, when it waits."""
    if command(pid)[:1] == ["/pod/bin/begin"]:
        return pid
    return next((found for child in children(pid) if (found := begun(child))), 0)


def command(pid: int) -> list[str]:
    """Command line of a process; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []
