"""EFFECT. The one way to run another program from stage0: a list of words, stdin closed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from stage1.contract.errors import HostError, PodError

_PASSED_ON = ("PATH", "HOME", "TMPDIR", "TERM", "XDG_RUNTIME_DIR")
_LAST_LINES = 6
_PR_SET_PDEATHSIG = 1

# program: Debian, Fedora, Arch
_PACKAGES = {
    "skopeo": ("skopeo", "skopeo", "skopeo"),
    "zstd": ("zstd", "zstd", "zstd"),
    "systemd-nspawn": ("systemd-container", "systemd-container", "systemd"),
    "systemd-run": ("systemd", "systemd", "systemd"),
    "systemctl": ("systemd", "systemd", "systemd"),
    "machinectl": ("systemd-container", "systemd-container", "systemd"),
    "journalctl": ("systemd", "systemd", "systemd"),
    "nft": ("nftables", "nftables", "nftables"),
    "ip": ("iproute2", "iproute", "iproute2"),
}


class CommandError(PodError):
    """A program ended with a failure; the hint carries its last lines, `reason` these or how it ended."""

    def __init__(self, argv: Sequence[str], status: int, stderr: bytes) -> None:
        """Describe what failed."""
        lines = [line.strip() for line in os.fsdecode(stderr).splitlines() if line.strip()]
        how = f"was killed by signal {-status}" if status < 0 else f"failed with status {status}"
        told = "; ".join(lines[-_LAST_LINES:])
        super().__init__(
            f"{argv[0]} {how}", hint=told or "it said nothing; the host's log may: journalctl -e"
        )
        self.reason = told.removeprefix("pod: ") or self.message
        self.argv = tuple(argv)
        self.status = status
        self.said = os.fsdecode(stderr)


def run(
    argv: Sequence[str],
    *,
    data: bytes | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    success: frozenset[int] = frozenset({0}),
) -> bytes:
    """Run a program to its end and give what it wrote; `environment` adds to the variables passed on."""
    try:
        done = subprocess.run(
            list(argv),
            input=data,
            stdin=None if data is not None else subprocess.DEVNULL,
            capture_output=True,
            cwd=cwd,
            env=_environment(environment or {}),
            pass_fds=tuple(pass_fds),
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        if cwd is not None and not cwd.is_dir():
            raise HostError(
                f"cannot run {argv[0]} in {cwd}: no such directory", hint="check the path"
            ) from None
        raise _missing(argv[0], error) from None
    if done.returncode not in success:
        raise CommandError(argv, done.returncode, done.stderr)
    return done.stdout


class Running:
    """A program that runs beside us and dies with us; what it says goes to files in memory, so it never waits."""

    def __init__(self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        """Start it from the thread that lives as long as it shall: that thread's end is its end."""
        self.argv = tuple(argv)
        self._out, self._said = (os.memfd_create(name, os.MFD_CLOEXEC) for name in ("stdout", "stderr"))
        parent = os.getpid()
        try:
            self._process = subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._said,
                env=_environment(environment or {}), preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509
            )  # fmt: skip
        except OSError as error:
            self._forget()
            raise _missing(argv[0], error) from None
        self.fd = os.pidfd_open(self._process.pid)

    @property
    def ended(self) -> bool:
        """True once it has ended; `fd`, a pidfd, becomes readable then."""
        return self._process.poll() is not None

    def wait(self) -> None:
        """Until it has ended."""
        self._process.wait()

    @property
    def output(self) -> bytes:
        """All it has written so far."""
        return _content(self._out)

    def check(self) -> None:
        """Raise CommandError if it has failed."""
        if self._process.returncode:
            raise CommandError(self.argv, self._process.returncode, _content(self._said))

    def close(self) -> None:
        """End it if it has not ended, and let go of it."""
        if not self.ended:
            self._process.kill()
            self._process.wait()
        os.close(self.fd)
        self._forget()

    def _forget(self) -> None:
        os.close(self._out)
        os.close(self._said)


def _content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _die_with(parent: int) -> None:
    """Be killed when the parent is: a program that goes on alone would write to what others clear away."""
    import ctypes  # noqa: PLC0415 (only where programs run beside us)

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Choose what programs may know of ours; the locale is fixed, so that their words can be read."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8"} | passed | dict(extra)


def _missing(program: str, error: OSError) -> HostError:
    name = program.rpartition("/")[2]
    if name not in _PACKAGES:
        return HostError(f"cannot run {program}: {error.strerror}", hint="install it or correct PATH")
    debian, fedora, arch = _PACKAGES[name]
    return HostError(
        f"cannot run {program}: {error.strerror}",
        hint=f"install it: apt install {debian}, dnf install {fedora}, or pacman -S {arch}",
    )
