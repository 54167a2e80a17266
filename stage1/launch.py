"""EFFECT. The story of stage1: load, ask the host, plan, render, install, become the monitor."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable

from stage1 import base, devices, host, hostfiles, limit, plan, resources
from stage1.contract import HostError, PodDir, PodManifest, codec
from stage1.contract.values import NamedTuple
from stage1.install import install
from stage1.limits import has_limits
from stage1.network.drivers import driver
from stage1.render import render

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import NoReturn

    from stage1.network.model import Wiring


class MonitorOptions(NamedTuple):
    """What the monitor is told on its command line: inherited descriptors, whether to print, to start again."""

    lock: int | None = None
    ready: int | None = None
    quiet: bool = False
    detach_keys: tuple[int, ...] = ()
    again: bool = False


class Drawn(NamedTuple):
    """A pod with the limits that hold here, what its `run/` then says, and the network that went into it."""

    limited: limit.Limited
    plan: plan.LaunchPlan
    wiring: Wiring | None


def load(directory: PodDir) -> PodManifest:
    """The manifest of a pod directory; UsageError if it is not one."""
    try:
        data = directory.manifest.read_bytes()
    except OSError as error:
        raise HostError(f"{directory.manifest}: {error.strerror}", hint="is this a pod directory?") from None
    return codec.decode(data, where=str(directory.manifest))


def drawn(
    pod: PodManifest,
    directory: PodDir,
    wire: Callable[[], Wiring | None],
    *,
    keep_unit: bool,
    own_unit: bool = False,
) -> Drawn:
    """What a start would write, with the host as it is now; HostError for what this host cannot do.

    `wire`: says what the pod's network is, after its limits have been found to hold.
    """
    cache = directory.root.cache
    facts = host.facts(cache, devices.allowed(pod))
    limited = limit.limited(pod, facts, own_unit=own_unit) if has_limits(pod) else limit.Limited(pod)
    wiring = wire()
    jobs = plan.jobs(limited.pod, facts, keep_unit=keep_unit)
    texts = render(jobs, resources.template_path(), cache / "rendered")
    files = hostfiles.read(pod)
    if wiring is not None:
        files = files._replace(resolv=wiring.resolv)
    own_root = base.ensure(directory.root, base.recipes(pod))
    site = plan.Site(directory, own_root, facts, files, wiring, limited.steps)
    found = plan.launch_plan(limited.pod, site, texts)
    return Drawn(limited, found, wiring)


def prepare(
    pod: PodManifest, directory: PodDir, *, keep_unit: bool | None = None, start: bool = True
) -> limit.Limited:
    """Write everything below `run/`; afterwards the monitor needs no Python.

    `start`: the host's side of the pod's network is made, and addresses and ports are taken for it.
    The result is the pod with the limits that this host enforces, and names those that it cannot.
    """
    own = keep_unit is None and host.main_process_of_a_unit(dict(os.environ), os.getpid())
    found = drawn(
        pod,
        directory,
        lambda: driver(pod.network).wire(pod, directory, start=start),
        keep_unit=keep_unit or own,
        own_unit=own,
    )
    install(found.plan, directory)
    if found.limited.refused:
        directory.unenforced.write_text("".join(f"{reason}\n" for reason in found.limited.refused))
    return found.limited


def monitor_argv(directory: PodDir, options: MonitorOptions) -> list[str]:
    """The monitor's command line."""
    argv = [str(resources.native("monitor"))]
    if options.lock is not None:
        argv += ["--lock-fd", str(options.lock)]
    if options.ready is not None:
        argv += ["--ready-fd", str(options.ready)]
    if options.quiet:
        argv += ["--quiet"]
    if options.detach_keys:
        argv += ["--detach-keys", ",".join(map(str, options.detach_keys))]
    if options.again and sys.executable:
        argv += ["--python", sys.executable]
    return [*argv, str(directory.path)]


def become_monitor(directory: PodDir, options: MonitorOptions) -> NoReturn:
    """Replace this process; the descriptors named in `options` go along."""
    argv = monitor_argv(directory, options)
    for descriptor in (options.lock, options.ready):
        if descriptor is not None:
            os.set_inheritable(descriptor, True)
    # From here on they are the monitor's: Python would note one, and be gone before it came to do something. If there
    # is no monitor, this process ends as well.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        os.execv(argv[0], argv)  # noqa: S606  no shell wanted
    except OSError as error:
        raise HostError(
            f"cannot run {argv[0]}: {error.strerror}", hint="build it with `make native`"
        ) from None


def again(directory: PodDir, options: MonitorOptions) -> NoReturn:
    """Start a pod once more whose monitor this process was: under the same lock, in the same unit."""
    prepare(load(directory), directory, keep_unit=stays_in_its_unit(directory))
    become_monitor(directory, options)


def stays_in_its_unit(directory: PodDir) -> bool:
    """Whether systemd-nspawn was told so at the last start, and makes no scope for the pod."""
    return "--keep-unit" in json.loads(directory.nspawn.read_bytes())["argv"]
