"""EFFECT. Another Debian as a directory and as a disk: built once by mmdebstrap, kept below `build/vm`.

The directory also serves tests/lab: a pod's own root can be gathered from it, and then boots another systemd than this
machine's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
CACHE = REPO / "build" / "vm"
PYTHON = "/opt/unitpod/bin/python"
PROJECT = "/project"
DISK_SIZE = "4G"
LIMIT = 900
RELEASE, SYSTEMD = "trixie", 257
PACKAGES = (
    "systemd", "systemd-sysv", "systemd-container", "udev", "dbus", "linux-image-cloud-amd64", "kmod", "util-linux",
    "mount", "iproute2", "nftables", "apparmor", "procps", "libc-bin", "attr", "busybox-static", "make",
    "libnss-mymachines", "selinux-policy-default", "policycoreutils",
    "python3", "python3-venv", "python3-pytest", "python3-hypothesis", "python3-yaml", "python3-pydantic",
    "python3-jinja2", "python3-pystemd", "python3-zstandard", "python3-pyroute2", "python3-dbus-next", "python3-rich",
)  # fmt: skip
# Documentation and translations are half of the tree and nothing reads them.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


class Tree(NamedTuple):
    """A system that can be booted: its files, its disk, its kernel."""

    root: Path
    disk: Path
    kernel: Path


def ensure(release: str = RELEASE) -> Tree:
    """The tree of a Debian release, built if this recipe was not built before."""
    CACHE.mkdir(parents=True, exist_ok=True)
    place = CACHE / release
    with locked(CACHE / f"{release}.lock"):
        if not _is_built(place):
            _build(place, release)
    kernel = next(iter((place / "root" / "boot").glob("vmlinuz-*")))
    return Tree(root=place / "root", disk=place / "disk", kernel=kernel)


def host_has_newer_systemd() -> bool:
    """True on the machine that was made of this tree."""
    said = subprocess.run(["systemctl", "--version"], check=True, capture_output=True, text=True).stdout
    found = re.match(r"systemd ([0-9]+)", said)
    return found is not None and int(found[1]) >= SYSTEMD


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One builder at a time; the others wait for what it builds."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key() -> str:
    """Changes with the recipe: the age of packages does not make a tree another one."""
    recipe = Path(__file__).read_bytes() + Path(__file__).with_name("furnish.sh").read_bytes()
    return hashlib.sha256(recipe).hexdigest()


def _is_built(place: Path) -> bool:
    try:
        return (place / "key").read_text() == _key()
    except FileNotFoundError:
        return False


def _build(place: Path, release: str) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    root = place / "root"
    run(
        "mmdebstrap", "--quiet", "--variant=apt", "--format=directory", f"--include={','.join(PACKAGES)}",
        "--aptopt=Acquire::Retries \"3\"",
        *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED), release, str(root),
    )  # fmt: skip
    run(str(Path(__file__).with_name("furnish.sh")), str(root), PYTHON, PROJECT)
    make_disk(root, place / "disk", DISK_SIZE)
    (place / "key").write_text(_key())


def make_disk(root: Path, disk: Path, size: str) -> None:
    """An ext4 file system with these files, without mounting anything."""
    disk.unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-d", str(root), str(disk), size)


def run(*argv: str) -> None:
    """Run a program to its end; what it said is in the error if it fails."""
    done = subprocess.run(
        argv,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT,
        env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed: {done.stderr.strip()[-2000:]}")
