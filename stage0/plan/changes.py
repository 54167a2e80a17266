"""PURE. The apps of a pod that is there already: one more, some fewer, or one with another image."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from stage0.image import Image
from stage0.plan import identity, process, userns
from stage0.plan.names import app_names
from stage0.plan.order import check_order, in_order
from stage0.plan.pod import Circumstances, plan_app
from stage0.plan.storage import VolumeBook
from stage0.request import AppRequest, PodRequest
from stage1.contract import (
    App,
    ConflictError,
    ExitRule,
    Mount,
    NotFoundError,
    PodManifest,
    UsageError,
    User,
    Volume,
)
from stage1.contract import Image as AppImage
from stage1.contract.values import NamedTuple


class Change(NamedTuple):
    """A pod before and after; it is the one or the other, whatever happens on the way."""

    before: PodManifest
    after: PodManifest
    running: tuple[str, ...] = ()  # apps that are to run again if it does not come to be

    @property
    def added(self) -> list[App]:
        """Apps that only come with the change."""
        return _others(self.after, self.before)

    @property
    def removed(self) -> list[App]:
        """Apps that go with it."""
        return _others(self.before, self.after)

    @property
    def replaced(self) -> list[tuple[App, App]]:
        """Apps that are there before and after, but not the same."""
        new = {app.name: app for app in self.after.apps}
        return [(app, new[app.name]) for app in self.before.apps if app.name in new and new[app.name] != app]


class Stage(NamedTuple):
    """One app's part of a change: the pod before and after it, and those whose turn came earlier."""

    before: PodManifest
    after: PodManifest
    old: App | None
    name: str
    earlier: tuple[str, ...]


def stages(change: Change) -> Iterator[Stage]:
    """The apps that come with a change or are replaced, one at a time, each behind those it waits for.

    Apps that go stay until the end. All stand in the order that they have in the end: units tell it.
    """
    places = {app.name: place for place, app in enumerate(change.after.apps)}
    volumes = {one.name: one for one in (*change.before.volumes, *change.after.volumes)}
    now = change.before._replace(volumes=tuple(volumes.values()))
    had = {app.name: app for app in change.before.apps}
    changed = {*(app.name for app in change.added), *(app.name for app, _ in change.replaced)}
    earlier: list[str] = []
    for app in in_order(change.after.apps):
        if app.name in changed:
            apps = [*(one for one in now.apps if one.name != app.name), app]
            apps.sort(key=lambda one: places.get(one.name, len(places)))
            after = now._replace(apps=tuple(apps))
            yield Stage(now, after, had.get(app.name), app.name, tuple(earlier))
            earlier.append(app.name)
            now = after


def _others(pod: PodManifest, other: PodManifest) -> list[App]:
    known = {app.name for app in other.apps}
    return [app for app in pod.apps if app.name not in known]


def request_for(pod: PodManifest, wish: AppRequest) -> PodRequest:
    """What `plan_app` asks of the pod; whatever was said for all apps when it was made is not said for this one."""
    if wish.publish:
        raise UsageError("ports are published by `pod port add`", hint="leave out --publish")
    return PodRequest(app=(wish,), userns="host" if pod.userns is None else "auto")


def with_app(pod: PodManifest, wish: AppRequest, image: Image, now: Circumstances) -> PodManifest:
    """One more app, planned as if it had been named with the others, behind them."""
    request = request_for(pod, wish)
    (name,) = app_names(request)
    if name in {app.name for app in pod.apps}:
        raise ConflictError(
            f"pod {pod.label} has an app {name} already", hint="give this one another name: --name NAME"
        )
    book = VolumeBook(now.images, pod.volumes)
    app = plan_app(request, identity.with_owner(wish, 0, now.owners), image, name, book, now)
    apps = (*pod.apps, app)
    check_order(apps)
    userns.check_users(pod.userns, (app,))
    return pod._replace(apps=apps, volumes=tuple(book.volumes.values()))


def without_apps(pod: PodManifest, names: Collection[str]) -> PodManifest:
    """Some fewer, with the volumes that nobody else has."""
    known = {app.name for app in pod.apps}
    for name in names:
        if name not in known:
            raise NotFoundError(
                f"pod {pod.label} has no app {name!r}",
                hint=f"its apps: {', '.join(sorted(known)) or 'none'}",
            )
    if pod.exit_policy.rule is ExitRule.APP and pod.exit_policy.app in names:
        raise ConflictError(
            f"app {pod.exit_policy.app} decides when the pod is over",
            hint="end the pod with it: pod stop",
        )
    left = tuple(app for app in pod.apps if app.name not in names)
    for app in left:
        if waits := sorted({one.app for one in (*app.after, *app.wants, *app.requires)} & set(names)):
            raise ConflictError(
                f"app {app.name} waits for {waits[0]}", hint=f"remove it as well: pod app rm … {app.name}"
            )
    return pod._replace(apps=left, volumes=volumes_of(pod, left))


def volumes_of(pod: PodManifest, left: Sequence[App]) -> tuple[Volume, ...]:
    """A volume goes with the last app that mounted it; one that no app ever had stays."""
    gone = {mount.volume for app in pod.apps for mount in app.mounts}
    gone -= {mount.volume for app in left for mount in app.mounts}
    return tuple(volume for volume in pod.volumes if volume.name not in gone)


def with_image(pod: PodManifest, name: str, images: tuple[Image, Image], now: Circumstances) -> PodManifest:
    """One app with another image: what the old image said is what the new one says, what the user said stays.

    `images` are the one it has and the one it gets. Its writable layer is new, its volumes are those it had.
    """
    app = next(one for one in pod.apps if one.name == name)
    wish = AppRequest(image=images[1].name, name=name)
    request = request_for(pod, wish)
    book = VolumeBook({}, pod.volumes)
    old, new = (_bare(request, wish, image, name, now, book_of) for image, book_of in (
        (images[0], VolumeBook({}, pod.volumes)), (images[1], book)
    ))  # fmt: skip
    said = {
        field: getattr(new, field)
        for field in ("user", "workdir", "stop_signal")
        if getattr(app, field) == getattr(old, field)
    }
    changed = app._replace(
        **said,
        image=AppImage(name=images[1].name, digest=images[1].digest),
        layers=images[1].layers,
        argv=_argv(app, images[0], images[1]),
        env=_environment(app, said.get("user", app.user), images),
        labels=new.labels,
        ports=new.ports,
        mounts=_mounts(app, new),
        revision=app.revision + 1,
    )
    apps = tuple(changed if one.name == name else one for one in pod.apps)
    userns.check_users(pod.userns, (changed,))
    used = {mount.volume for one in apps for mount in one.mounts}
    known = {volume.name for volume in pod.volumes}
    volumes = tuple(one for one in book.volumes.values() if one.name in known or one.name in used)
    return pod._replace(apps=apps, volumes=volumes)


def _bare(
    request: PodRequest, wish: AppRequest, image: Image, name: str, now: Circumstances, book: VolumeBook
) -> App:
    """The app an image makes by itself; one that names no program is no obstacle, since the app has one."""
    named = image.config.entrypoint or image.config.cmd
    return plan_app(request, wish if named else wish._replace(exec="/none"), image, name, book, now)


def _argv(app: App, old: Image, new: Image) -> tuple[str, ...]:
    """The image's own words give way to the new image's: all of them, or the entry point before the user's."""
    entry = old.config.entrypoint
    if app.argv == (*entry, *old.config.cmd):
        return process.argv(AppRequest(image=new.name), new, app.name)
    if entry and app.argv[: len(entry)] == entry and new.config.entrypoint:
        return (*new.config.entrypoint, *app.argv[len(entry) :])
    return app.argv


def _environment(app: App, user: User, images: tuple[Image, Image]) -> tuple[str, ...]:
    """Variables that are as the old image had them are as the new one has them; the others are the user's."""
    had = process.environment(images[0].config.env, (), app.user, "")
    own = tuple(text for text in app.env if text not in had)
    return process.environment(images[1].config.env, own, user, "")


def _mounts(app: App, new: App) -> tuple[Mount, ...]:
    targets = {*(one.target for one in app.mounts), *(one.target for one in app.tmpfs)}
    found = (*app.mounts, *(mount for mount in new.mounts if mount.target not in targets))
    return tuple(sorted(found, key=lambda one: one.target.split("/")))
