"""EFFECT. The command line in a lab: the same tests as on this machine, where systemd is PID 1."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import needs_program
from tests.lab.host import LabHost, children
from tests.root.pods import Pods, eventually, import_images

ROOT = Path("/var/lib/pod")


class InLab:
    """A lab, entered anew for each command."""

    def __init__(self, lab: LabHost) -> None:
        self._lab = lab

    @property
    def files(self) -> Path:
        """The lab's root, which is another one after each boot."""
        return Path(f"/proc/{self._lab.leader}/root")

    def argv(self, words: list[str], env: Mapping[str, str]) -> list[str]:
        """The lab's own environment, and this."""
        return self._lab.enter_argv(words, {name: value for name, value in env.items() if name != "PATH"})

    def pid(self, popen: subprocess.Popen[bytes]) -> int:
        """The command is the child of the nsenter that entered the pid namespace."""
        return eventually(
            lambda: children(popen.pid) or [popen.pid] * (popen.poll() is not None), "nsenter"
        )[0]


@contextlib.contextmanager
def pods_of(lab: LabHost, *images: str, base: Path | None = None) -> Iterator[Pods]:
    """The data root of a lab, with these images, and without pods at the end.

    `base`: another system's tree, whose systemd the pods boot.
    """
    scratch = Path(f"/tmp/podtest.{secrets.token_hex(4)}")
    environment = {"POD_BASE_TREE": str(base)} if base else {}
    pods = Pods(root=ROOT, scratch=scratch, place=InLab(lab), environment=environment)
    pods.there(scratch).mkdir()
    known = pods("image", "ls").out
    import_images(pods, *(image for image in images or ("inspect",) if f"{image}:latest" not in known))
    yield pods
    pods.clear()


def needs_devices(*paths: str) -> None:
    """Skip where one of these is not there."""
    if absent := [path for path in paths if not Path(path).is_char_device()]:
        pytest.skip(f"this machine has no {absent[0]}")


def newer_debian() -> Path:
    """The root of a Debian with a systemd newer than this machine's, or a skip with its reason."""
    from tests.vm.tree import ensure, host_has_newer_systemd

    if host_has_newer_systemd():
        pytest.skip("this machine's own systemd is as new")
    needs_program("mmdebstrap")
    return ensure().root
