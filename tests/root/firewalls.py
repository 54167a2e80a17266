"""EFFECT. Firewalls as Debian ships them, really running on a host of the lan, with settings of their own.

Each lives in a mount namespace that hides the machine's settings, and in the network namespace of the host.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator

from tests.conftest import needs_program
from tests.root.lan import Lan
from tests.root.pods import PATIENCE

# Settings are copied to a tmpfs, so that nothing of the machine's changes.
_PRIVATE = """
set -e
mount -t tmpfs settings /mnt
for one in "$@"; do mkdir -p "/mnt$one"; cp -a "$one/." "/mnt$one"; mount --bind "/mnt$one" "$one"; done
echo on
exec sleep infinity
"""
_BUS = """<busconfig><type>system</type><listen>unix:path=/mnt/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"""
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/mnt/bus"}


class Firewall:
    """Where a firewall's programs run: `pid` keeps the namespaces."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def argv(self, *words: str) -> list[str]:
        """Words that run these words there."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", *words]

    def __call__(self, *words: str, **how: str) -> str:
        """Run a command; its output."""
        done = subprocess.run(
            self.argv(*words),
            capture_output=True,
            text=True,
            timeout=120,
            env=_ENVIRONMENT,
            check=False,
            **how,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout


@contextlib.contextmanager
def _settings(lan: Lan, *directories: str) -> Iterator[Firewall]:
    words = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _PRIVATE, "sh", *directories)
    argv = ["nsenter", f"--net=/run/netns/{lan.host}", *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"on\n"
        try:
            yield Firewall(keeper.pid)
        finally:
            keeper.kill()


@contextlib.contextmanager
def ufw(lan: Lan) -> Iterator[Firewall]:
    """Debian's ufw, enabled."""
    needs_program("ufw")
    with _settings(lan, "/etc/ufw") as firewall:
        firewall("ufw", "--force", "enable")
        try:
            yield firewall
        finally:
            firewall("ufw", "--force", "disable")
            for program in ("iptables", "ip6tables"):
                # what it leaves on purpose: empty chains, which are not ours to judge
                firewall("sh", "-c", f"{program} -F; {program} -X")
                firewall(program, "-P", "FORWARD", "ACCEPT")


@contextlib.contextmanager
def firewalld(lan: Lan) -> Iterator[Firewall]:
    """Debian's firewalld on a bus of its own."""
    needs_program("firewalld")
    with _settings(lan, "/etc/firewalld") as firewall, contextlib.ExitStack() as running:
        firewall("tee", "/mnt/bus.conf", input=_BUS)
        for words in (
            ("dbus-daemon", "--nofork", "--config-file=/mnt/bus.conf"),
            ("firewalld", "--nofork", "--nopid", "--log-file=/mnt/log"),
        ):
            process = subprocess.Popen(firewall.argv(*words), env=_ENVIRONMENT, stderr=subprocess.DEVNULL)
            running.callback(process.wait, 30)
            running.callback(process.terminate)
        limit = time.monotonic() + PATIENCE
        while "running" not in _state(firewall):
            assert time.monotonic() < limit, "firewalld does not start"
            time.sleep(0.1)
        yield firewall


def _state(firewall: Firewall) -> str:
    argv = firewall.argv("firewall-cmd", "--state")
    done = subprocess.run(argv, capture_output=True, text=True, env=_ENVIRONMENT, check=False)
    return done.stdout if done.returncode == 0 else ""
