"""EFFECT. Limits of a pod that runs, and of its apps, changed at once by whoever enforces them.

An app's: its unit in the pod is written anew, and the pod's systemd reads it; so the next run of the app has them too.
A pod's: properties of its unit or scope where the host's systemd is PID 1, else files of its control groups.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stage1 import cgroups, host, limits, plan, resources
from stage1.contract import ConflictError, HostError, PodDir, PodManifest, Resources
from stage1.host import HostFacts
from stage1.limits import Groups
from stage1.render import render
from stage1.running.dbuswire import Variant
from stage1.running.limitchanges import Change, bus_changes, file_changes
from stage1.running.pidone import PidOne
from stage1.running.rewriting import replace
from stage1.units import service_name

_CGROUPS = Path("/sys/fs/cgroup")
# Pages that the kernel cannot just drop, of memory.stat.
_KEPT = ("anon", "shmem", "slab_unreclaimable", "kernel_stack", "pagetables")


def limit_pod(
    old: PodManifest, new: PodManifest, directory: PodDir, leader: int, *, best_effort: bool
) -> list[str]:
    """Bind a running pod to the limits of `new`; the result says what this host cannot enforce."""
    facts = host.facts(directory.root.cache)
    groups = cgroups.groups(booted=facts.booted)
    wanted, refused = _enforceable(new.resources, groups, None, best_effort=best_effort)
    had, _ = _enforceable(old.resources, groups, None, best_effort=True)
    _require_room(wanted, groups, _group_of(leader, groups))
    if facts.booted:
        _limit_unit(had, wanted, leader, groups)
    else:
        numbers = {one.device: cgroups.device_number(one.device) for one in (*had.io_max, *wanted.io_max)}
        _limit_groups(new.uuid, directory, file_changes(had, wanted, groups, numbers), groups)
    return refused


def limit_app(
    old: PodManifest, new: PodManifest, directory: PodDir, leader: int, name: str, *, best_effort: bool
) -> list[str]:
    """Bind one app of a running pod to its limits in `new`; the result says what this host cannot enforce."""
    facts = host.facts(directory.root.cache)
    groups = cgroups.groups(booted=facts.booted)
    (app,) = (app for app in new.apps if app.name == name)
    wanted, refused = _enforceable(app.resources, groups, name, best_effort=best_effort)
    if not groups.unified:
        return refused
    if limits.app_devices(old) != limits.app_devices(new):
        raise ConflictError(
            "the disks that limits of apps name are fixed while the pod runs",
            hint="give --app and the new limits when it is stopped, and start it again",
        )
    _require_room(wanted, groups, _group_of(leader, groups) / "system.slice" / service_name(name))
    (had,) = (app.resources for app in old.apps if app.name == name)
    changes = bus_changes(limits.kept(had, groups, name)[0]._replace(io_max=()), wanted._replace(io_max=()))
    _limit_inside(limits.enforceable(new, groups).pod, directory, facts, leader, name, changes)
    return refused


def _enforceable(
    found: Resources, groups: Groups, app: str | None, *, best_effort: bool
) -> tuple[Resources, list[str]]:
    kept, refused = limits.kept(found, groups, app)
    if refused and not best_effort:
        raise HostError(
            f"this host cannot enforce {'; '.join(refused)}",
            hint="leave the limit out, or record it and go on without it: --best-effort",
        )
    if absent := cgroups.not_block_devices(tuple(one.device for one in kept.io_max)):
        raise HostError(f"{absent[0]} is no block device", hint="name a disk of this host; see lsblk(8)")
    return kept, refused


def _group_of(leader: int, groups: Groups) -> Path:
    """The pod's own group, with v1 that of the memory controller (which may be shared with the whole host)."""
    for line in Path(f"/proc/{leader}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if groups.unified and not controllers:
            # systemd-nspawn divides it, and the pod's PID 1 lives in init.scope of the one part
            return _CGROUPS / path.removesuffix("/init.scope").lstrip("/")
        if not groups.unified and "memory" in controllers.split(","):
            return Path(groups.places["memory"], path.lstrip("/"))
    raise HostError("the pod's control group is not known", hint="has the pod just ended?")


def _require_room(wanted: Resources, groups: Groups, group: Path) -> None:
    """With v2 the kernel would kill to get below a limit of memory; v1 refuses, and so do we."""
    if wanted.memory_max is None or not groups.unified:
        return
    with contextlib.suppress(OSError):  # an app that does not run has no group
        rows = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = sum(int(rows.get(name, 0)) for name in _KEPT)
        swap = _free_swap() if wanted.swap_max is None else min(wanted.swap_max, _free_swap())
        if used - swap > wanted.memory_max:
            raise _too_small(wanted.memory_max, used)


def _free_swap() -> int:
    rows = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return 1024 * int(rows["SwapFree"].split()[0])


def _too_small(limit: int, used: int) -> HostError:
    return HostError(
        f"a limit of {limit} bytes of memory is below what is in use and cannot be dropped ({used})",
        hint="stop what uses it first, or take a higher limit",
    )


def _limit_unit(old: Resources, new: Resources, leader: int, groups: Groups) -> None:
    from stage1 import manager  # noqa: PLC0415  80 ms, and only on a systemd host

    unit = manager.unit_of(leader)
    manager.set_properties(unit, bus_changes(old, new))
    if groups.unified or new.memory_max is None:
        return
    # systemd tells its journal, not us, that the kernel refused
    group = _group_of(leader, groups)
    now = int((group / "memory.limit_in_bytes").read_text())
    if now > new.memory_max + os.sysconf("SC_PAGE_SIZE"):
        manager.set_properties(unit, bus_changes(new, old))
        raise _too_small(new.memory_max, int((group / "memory.usage_in_bytes").read_text()))


def _limit_groups(uuid: str, directory: PodDir, changes: Sequence[Change], groups: Groups) -> None:
    """All or nothing; a group that the pod did not need so far is made, and all of the pod goes into it."""
    fresh: list[Path] = []
    done: list[tuple[Path, Change]] = []
    try:
        for change in changes:
            group = _own_group(uuid, change.file.controller, groups, directory, fresh)
            _write(group / change.file.name, change.file.value)
            done.append((group / change.file.name, change))
        for group in fresh:
            _gather(_CGROUPS / "systemd" / f"pod-{uuid}", group)
    except (OSError, HostError) as error:
        for path, change in reversed(done):
            _write(path, change.before)
        for group in fresh:
            with contextlib.suppress(OSError):  # a group with processes in it serves a later change
                group.rmdir()
        if isinstance(error, HostError):
            raise
        raise _refusal(error, groups, uuid) from None


def _own_group(uuid: str, controller: str, groups: Groups, directory: PodDir, fresh: list[Path]) -> Path:
    if groups.unified:
        _write(_CGROUPS / "cgroup.subtree_control", f"+{controller}")
        return _CGROUPS / f"pod-{uuid}"
    group = Path(groups.places[controller], f"pod-{uuid}")
    if not group.exists():
        with directory.groups.open("a") as file:  # the monitor removes it when the pod is over
            file.write(f"{group}\n")
        group.mkdir()
        fresh.append(group)
        if controller == "cpuset":  # nothing may enter before it has both
            _write(group / "cpuset.mems", cgroups.memory_nodes(groups))
            _write(group / "cpuset.cpus", groups.processors)
    return group


def _write(path: Path, value: str) -> None:
    """One write(2): the kernel takes each as a whole value."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _refusal(error: OSError, groups: Groups, uuid: str) -> HostError:
    memory = Path(groups.places.get("memory", "/"), f"pod-{uuid}")
    if error.errno == errno.EBUSY and (memory / "memory.usage_in_bytes").exists():
        used = (memory / "memory.usage_in_bytes").read_text().strip()
        return HostError(
            f"a limit of memory is below what is in use and cannot be dropped ({used} bytes)",
            hint="stop what uses it first, or take a higher limit",
        )
    return HostError(
        f"the kernel refuses a limit: {error.strerror} ({error.filename or 'control group'})",
        hint="everything is as it was; is the host itself limited so?",
    )


def _gather(tree: Path, group: Path) -> None:
    """Move every process of the pod; one that was born meanwhile is found in the next round."""
    left: set[int] = set()
    while (outside := set(_processes(tree)) - set(_processes(group))) and outside != left:
        left = outside
        for pid in outside:
            with contextlib.suppress(ProcessLookupError):
                _write(group / "cgroup.procs", str(pid))


def _processes(tree: Path) -> Iterator[int]:
    for directory, _, names in os.walk(tree):
        if "cgroup.procs" in names:
            with contextlib.suppress(OSError):
                yield from map(int, Path(directory, "cgroup.procs").read_text().split())


def _limit_inside(
    pod: PodManifest,
    directory: PodDir,
    facts: HostFacts,
    leader: int,
    app: str,
    changes: Mapping[bytes, object],
) -> None:
    """The unit is for later runs: systemd 257 binds the present one only when it is told so."""
    jobs = plan.jobs(pod, facts, keep_unit=True)
    unit = directory.units / service_name(app)
    before = unit.read_bytes()
    texts = render(jobs, resources.template_path(), directory.root.cache / "rendered")
    with PidOne(leader) as systemd:
        replace(unit, texts[unit.name].encode())
        try:
            systemd.call("Reload")
            found = [(name.decode(), _variant(value)) for name, value in changes.items()]
            systemd.call("SetUnitProperties", "sba(sv)", unit.name, True, found)
        except BaseException:
            replace(unit, before)
            raise


def _variant(value: object) -> Variant:
    return Variant("ay", value) if isinstance(value, bytes) else Variant("t", value)
