"""EFFECT. Reads an app's system call filters from a process that was confined as the app is and never runs.

The kernel shows filters only to who stops the process, and a live app would notice (a wait of its is interrupted). So
the app's unit, with a program that sleeps in place of the app, is started in a pod of its own for a moment. What was
read is kept under the unit's text: it is the same for every app with this confinement.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stage1 import base, command, host, launch, nspawn, plan, resources
from stage1.contract import HostError, NetworkMode, PodDir, PodManifest
from stage1.contract.paths import UNITS
from stage1.entering import TWIN, TWIN_TARGET
from stage1.identity import HostFiles
from stage1.install import install
from stage1.render import render


def capture(directory: PodDir, lock: int, unit: bytes, target: Path) -> None:
    """Boot the unit in this fresh, locked pod directory, read its filters into `target`, end the pod."""
    _lay_out(directory, unit)
    with _booted(directory, lock):
        command.run([str(resources.native("keeper")), "--capture", str(target), str(directory.path), "twin"])


def _lay_out(directory: PodDir, unit: bytes) -> None:
    pod = PodManifest(
        version=1,
        uuid=directory.uuid,
        name=None,
        hostname="twin",
        created="",
        apps=(),
        network=NetworkMode.NONE,
    )
    cache = directory.root.cache
    facts = host.facts(cache)._replace(cgroups=host.cgroup_mounts(), booted=False)
    jobs = [nspawn.job(pod, register=False, keep_unit=True)]
    texts = render(jobs, resources.template_path(), cache / "rendered")
    for place in (directory.rootfs, directory.base / "upper", directory.base / "work"):
        place.mkdir(parents=True)
    site = plan.Site(directory, base.ensure(directory.root), facts, HostFiles())
    install(plan.launch_plan(pod, site, texts), directory)
    (directory.run / "units" / TWIN).write_bytes(unit)
    (directory.run / "units" / "default.target").write_text(TWIN_TARGET)


@contextmanager
def _booted(directory: PodDir, lock: int) -> Iterator[None]:
    """While the pod runs; its monitor is our child."""
    ours, theirs = os.pipe()
    monitor = os.fork()
    if monitor == 0:
        try:
            launch.become_monitor(directory, launch.MonitorOptions(lock=lock, ready=theirs, quiet=True))
        finally:
            os._exit(125)
    os.close(theirs)
    try:
        if not os.read(ours, 16).startswith(b"ready"):
            raise HostError(
                f"the unit that shows system call filters did not start ({UNITS}/{TWIN} of pod {directory.uuid})",
                hint="try the app's options in a pod of its own: `pod run`",
            )
        yield
    finally:
        os.close(ours)
        os.kill(monitor, signal.SIGQUIT)
        os.waitpid(monitor, 0)
