"""EFFECT. A data root for the pods of a session, and proof that each test left nothing in it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import needs_program
from tests.root.lan import Lan, OnHost, made
from tests.root.pods import REPO, Pods, eventually, import_images, scratch_directory

# An overlay cannot be the upper layer of another one, which is what a data root on it would come to.
PLACES = (Path("/tmp"), Path("/var/tmp"), REPO / "build", Path("/dev/shm"))


def real_place() -> Path:
    """A directory whose file system can hold the writable layers of pods."""
    for place in PLACES:
        if place.is_dir() and file_system(place) != "overlayfs":
            return place
    pytest.fail(f"all of {', '.join(map(str, PLACES))} are overlays")


def file_system(place: Path) -> str:
    """The kind of file system a directory is on."""
    return subprocess.run(
        ["stat", "-f", "-c", "%T", place], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="session", autouse=True)
def network() -> Iterator[list[str]]:
    """This process and all it starts are in a network namespace of their own: the machine's stays as it is.

    To the end of the process, so tests that fetch something (those of the lab, a newer Debian) run in another one.
    What it gives are words that run a command in the machine's network all the same.
    """
    if os.geteuid() != 0:
        yield []
        return
    machine = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    clone_newnet = 0x40000000
    assert ctypes.CDLL(None, use_errno=True).unshare(clone_newnet) == 0, os.strerror(ctypes.get_errno())
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    yield ["nsenter", f"--net=/proc/{os.getpid()}/fd/{machine}"]
    os.close(machine)
    shutil.rmtree(f"/run/unitpod/net-{Path('/proc/self/ns/net').stat().st_ino}", ignore_errors=True)


@pytest.fixture(scope="session")
def session_pods() -> Iterator[Pods]:
    """A data root with images, for all tests of a session."""
    assert shutil.which("systemd-nspawn"), "systemd-nspawn is not installed; run `make deps`"
    with scratch_directory(real_place()) as place:
        place.chmod(0o755)
        (place / "scratch").mkdir()
        pods = Pods(root=place / "data", scratch=place / "scratch")
        import_images(pods, "inspect", "busybox")
        yield pods
        pods.clear()


@pytest.fixture
def pods(session_pods: Pods) -> Iterator[Pods]:
    """The data root without pods before and after the test."""
    yield session_pods
    session_pods.clear()
    left = session_pods.left()
    assert not left, "\n".join(left)


@pytest.fixture(scope="session")
def lan() -> Iterator[Lan]:
    """A few hosts on a cable."""
    needs_program("nft")
    with made() as lan:
        yield lan


@pytest.fixture
def net(pods: Pods, lan: Lan) -> Iterator[Pods]:
    """Pods on the host of the lan."""
    found = replace(pods, place=OnHost(lan.host), running=[])
    yield found
    found.clear()
    eventually(lambda: not lan.left(), "interfaces and rules of pods to be gone")
