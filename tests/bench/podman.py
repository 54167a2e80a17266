"""EFFECT. The contestants podman and skopeo, with a storage and a configuration of their own."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from tests.bench.measure import BenchError, run, timed
from tests.bench.pod import pss, remove_group
from tests.lab.machine import hierarchies

APP = "localhost/inspect:latest"
SLEEP = ("sleep", "100000")
CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Podman:
    """podman on a root of its own; conmon of a container that ends is reaped by this process."""

    def __init__(self, scratch: Path, images: Path) -> None:
        self.scratch = scratch / "podman"
        self.images = images
        self.group = f"/{scratch.name}"
        self.environment = {**os.environ, "CONTAINERS_CONF": str(self.scratch / "containers.conf")}

    def argv(self, *words: str | Path, root: str = "main") -> list[str]:
        """A command line of podman on this storage."""
        places = [f"--{name}={self.scratch / root / name}" for name in ("root", "runroot", "tmpdir")]
        return ["podman", "--storage-driver=overlay", *places, *map(str, words)]

    def run(self, *words: str | Path) -> str:
        """Run podman off the clock."""
        return run(self.argv(*words), env=self.environment)

    def prepare(self) -> None:
        """Write the configuration and pull the image."""
        if shutil.which("podman") is None:
            raise BenchError("podman is not installed")
        self.scratch.mkdir()
        (self.scratch / "containers.conf").write_text(CONFIGURATION)
        identifier = self.run("pull", "--quiet", f"oci:{self.images / 'inspect'}:latest").strip()
        self.run("tag", identifier, APP)

    def exit_seven(self) -> float:
        """Run one container from nothing to its exit status."""
        words = self.argv("run", "--rm", "--network=none", f"--cgroup-parent={self.group}", APP, "exit", "7")
        return timed(words, expect=7, env=self.environment)

    def start(self, count: int) -> float:
        """Make a pod and start so many containers in it, one after the other, as its command line has it."""
        start = time.perf_counter()
        try:
            self.many(count)
            return time.perf_counter() - start
        finally:
            self.run("pod", "rm", "--force", "--time=0", "bench")

    def many(self, count: int) -> None:
        """Make a pod of so many sleeping containers. The image is its own infra container: catatonit may lack."""
        self.run(
            "pod", "create", "--name=bench", "--network=none", f"--cgroup-parent={self.group}",
            f"--infra-image={APP}", "--infra-command=/inspect sleep 100000",
        )  # fmt: skip
        for number in range(count):
            self.run("run", "-d", "--pod=bench", f"--name=a{number}", APP, *SLEEP)

    def memory(self, count: int) -> float:
        """Memory of every conmon and of the infra container."""
        self.many(count)
        try:
            said = self.run("ps", "--pod", "--format={{.ID}} {{.Pid}} {{.IsInfra}}")
            containers = [line.split() for line in said.splitlines()]
            infra = [int(pid) for _, pid, is_infra in containers if is_infra == "true"]
            return sum(pss(pid) for pid in [*infra, *(self.conmon(name) for name, _, _ in containers)])
        finally:
            self.run("pod", "rm", "--force", "--time=0", "bench")

    def conmon(self, container: str) -> int:
        """Process of a container's monitor."""
        (path,) = (self.scratch / "main" / "runroot" / "overlay-containers").glob(f"{container}*/userdata")
        return int((path / "conmon.pid").read_text())

    def help(self, verb: str) -> float:
        """Start a subcommand as far as its help."""
        return timed([*self.argv(verb, "--help")], env=self.environment)

    def close(self) -> None:
        """Remove the cgroup that all containers were below."""
        for hierarchy in hierarchies():
            remove_group(hierarchy.mounted_at / self.group.lstrip("/"))
