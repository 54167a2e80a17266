"""EFFECT. Changing the apps of a pod: as before or as asked, whenever this process is killed.

`pod.json` says which apps a pod has, and it is replaced in one step, by rename(2). Before anything is made,
`change.json` notes the manifest before and after. As long as it is there, the pod may have more than `pod.json` says,
or less; then `settle`, by whoever comes next with the pod's lock, takes away what is too much and puts back what is
missing: forward if `pod.json` had been replaced, back if not.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stage0 import handoff, layout
from stage0.plan.changes import Change, stages
from stage0.pods import cgroups, history, lifecycle, results
from stage0.pods.lifecycle import Pod
from stage0.running import limitnote
from stage1.contract import ConflictError, DataRoot, PodDir, PodError, PodManifest, State, codec
from stage1.contract.paths import OF_APPS

_ENCODING = "surrogateescape"


@contextlib.contextmanager
def held(root: DataRoot, reference: str) -> Iterator[Pod]:
    """A pod that nobody else changes meanwhile, if it can be changed; what was left half done is settled first."""
    pod = lifecycle.find(root, reference)
    with locked(pod):
        pod = _now(pod)
        require_mutable(pod)
        settle(pod)
        yield pod


@contextlib.contextmanager
def locked(pod: Pod) -> Iterator[None]:
    """Of a running pod the lock of its changes; of any other its own, so that it is not started meanwhile."""
    if pod.word == "running":
        with handoff.changing(pod.directory):
            yield
        return
    lock = lifecycle.lock_exclusive(pod.directory) if pod.word in {"prepared", "exited"} else None
    if lock is None:
        raise ConflictError(
            f"pod {pod.label} is just being started or removed", hint="try again in a moment"
        )
    try:
        yield
    finally:
        os.close(lock)


def _now(pod: Pod) -> Pod:
    """The pod as it is: it may have ended. One that did not run when we locked it looks as if it did."""
    found = lifecycle.find(pod.directory.root, pod.uuid)
    return found if pod.word == "running" else found._replace(running=False)


def require_mutable(pod: Pod) -> None:
    """ConflictError for a pod that was made not to be changed."""
    if lifecycle.read_manifest(pod.directory).get("immutable"):
        raise ConflictError(
            f"pod {pod.label} is immutable", hint="make another one; without --immutable it can be changed"
        )


def leader_of(pod: Pod) -> int | None:
    """PID 1 of a pod that runs and can be spoken to, None for one that does not run."""
    if pod.word != "running":
        return None
    leader = results.leader(pod.directory)
    tree = results.groups(pod)
    if tree and cgroups.is_frozen(tree):
        raise ConflictError(f"pod {pod.label} is paused", hint=f"let it go on: pod unpause {pod.label}")
    return leader


def apply(pod: Pod, change: Change) -> PodManifest:
    """Carry a change out on a pod that is held; if it fails, the pod is as it was."""
    leader = leader_of(pod)
    known = {volume.name for volume in change.before.volumes}
    more = tuple(volume for volume in change.after.volumes if volume.name not in known)
    layout.check_sources(change.after._replace(volumes=more, apps=tuple(change.added)))
    plans = None
    if leader is not None:
        plans = handoff.plans(pod.directory)
        plans.check(change.before, change.after)
        change = change._replace(running=tuple(_stopped_by(leader, change)))
    _write(pod.directory, change)
    try:
        after = layout.lay_out_more(change.after, change.before, pod.directory)
        if after != change.after:  # a look at the images told more
            change = change._replace(after=after)
            _write(pod.directory, change)
        if leader is not None:
            _carry_out(plans, leader, change)
        layout.rewrite(after, pod.directory)
    except BaseException:
        with contextlib.suppress(PodError, OSError):  # what went wrong first is what the user is told
            _settle(_now(pod), plans)
        raise
    # it may have ended meanwhile; if it is just ending, the change is made, and whoever comes next tidies up
    with contextlib.suppress(ConflictError):
        _settle(_now(pod), plans)
    return after


def _stopped_by(leader: int, change: Change) -> Iterator[str]:
    """Apps that run and will be stopped for a while, so that one of them can be another."""
    for old, _ in change.replaced:
        yield from handoff.joining().dependents(leader, old.name)


def _carry_out(plans: Any, leader: int, change: Change) -> None:  # noqa: ANN401  of stage1
    joining = handoff.joining()
    for stage in stages(change):
        if stage.old is not None:
            new = next(app for app in stage.after.apps if app.name == stage.name)
            joining.leave(plans.directory, leader, stage.old, new)
        joining.join(plans, leader, stage.before, stage.after, stage.name, stage.earlier)


def settle(pod: Pod) -> None:
    """Let a pod that is held be what its `pod.json` says; what a killed command did after all is an event now."""
    if pod.word == "running" and pod.directory.limiting.exists():
        limitnote.settle(pod.directory, lifecycle.manifest(pod.directory))
    change = _settle(pod)
    if change is not None and lifecycle.manifest(pod.directory) == change.after:
        note(pod.directory, change)


def note(directory: PodDir, change: Change) -> None:
    """Record for `pod events` what has been done."""
    for app in change.added:
        history.note(directory, "app-add", app.name, image=app.image.name)
    for _, app in change.replaced:
        history.note(directory, "app-update", app.name, image=app.image.name)
    for app in change.removed:
        history.note(directory, "app-remove", app.name)


def _settle(pod: Pod, plans: Any = None) -> Change | None:  # noqa: ANN401  of stage1
    change = read(pod.directory)
    if change is None:
        return None
    now = lifecycle.manifest(pod.directory)
    if (leader := leader_of(pod)) is not None:
        _settle_running(plans or handoff.plans(pod.directory), leader, now, change)
    else:
        _remove_places(pod.directory, now)
    _remove_data(pod.directory, now)
    pod.directory.change.unlink(missing_ok=True)
    return change


def _settle_running(plans: Any, leader: int, now: PodManifest, change: Change) -> None:  # noqa: ANN401  of stage1
    joining, directory = handoff.joining(), plans.directory
    other = change.before if now == change.after else change.after
    back = Change(before=other, after=now)
    for app in back.removed:
        joining.leave(directory, leader, app)
    if now != change.after:
        for old, new in back.replaced:
            joining.leave(directory, leader, old, new)
            joining.put(plans, leader, other, now, new.name)
            directory.result(new.name).unlink(missing_ok=True)  # of a trial that nobody is to judge by
    joining.settle(plans, leader, now, other, decide=now == change.after)
    for app in back.removed:
        joining.forget(directory, app.name)
    started = {new.name for _, new in change.replaced} if now == change.after else set()
    wanted = {app.name for app in now.apps} - started
    joining.resume(directory, leader, [name for name in change.running if name in wanted])


def settle_ended(directory: PodDir) -> None:
    """The same for a pod that does not run and whose lock we have."""
    if read(directory) is not None:
        now = lifecycle.manifest(directory)
        _remove_places(directory, now)
        _remove_data(directory, now)
        directory.change.unlink(missing_ok=True)


def _remove_places(directory: PodDir, now: PodManifest) -> None:
    """Directories that an app was mounted at when the pod ran: its root keeps them."""
    from stage0.image.scratch import remove  # noqa: PLC0415  rare

    known = {app.name for app in now.apps}
    for place in (directory.base / "upper" / path.lstrip("/") for path in OF_APPS):
        for name in lifecycle.listing(place):
            if name not in known:
                remove(place / name)


def _remove_data(directory: PodDir, now: PodManifest) -> None:
    """What `pod.json` does not name is nobody's: writable layers and volumes that live with the pod."""
    from stage0.image.scratch import remove  # noqa: PLC0415  rare

    apps = {app.data for app in now.apps}
    volumes = {volume.name for volume in now.volumes}
    for place, known in ((directory.apps, apps), (directory.volumes, volumes)):
        for name in lifecycle.listing(place):
            if name not in known:
                remove(place / name)


def read(directory: PodDir) -> Change | None:
    """The change that is under way, or was when its command was killed."""
    try:
        found = json.loads(directory.change.read_bytes())
    except FileNotFoundError:
        return None
    before, after = (
        codec.decode(found[key].encode(errors=_ENCODING), where=str(directory.change))
        for key in ("before", "after")
    )
    return Change(before, after, tuple(found["running"]))


def _write(directory: PodDir, change: Change) -> None:
    texts = {
        key: codec.encode(getattr(change, key), indent=None).decode(errors=_ENCODING)
        for key in ("before", "after")
    }
    _replace(directory.change, json.dumps({**texts, "running": change.running}).encode())


def _replace(path: Path, content: bytes) -> None:
    """Whole, and there after a power cut."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    lifecycle.sync_directory(path.parent)


def settle_all(root: DataRoot) -> None:
    """Changes whose commands were killed; those that are under way, and pods that cannot be asked, are left alone."""
    for pod in lifecycle.pods(root):
        half = pod.directory.change.exists() or pod.directory.limiting.exists()
        if half and pod.state in {State.PREPARED, State.RUN, State.EXITED}:
            with contextlib.suppress(PodError, FileNotFoundError), locked(pod):
                settle(_now(pod))
