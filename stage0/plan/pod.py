"""PURE. A request and the images it names become a PodManifest with every default resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from stage0 import quantities
from stage0.image import Image
from stage0.plan import hostunit, identity, life, network, process, resources, storage, userns, users
from stage0.plan.confinement import Host, confinement, scratch
from stage0.plan.credentials import credentials
from stage0.plan.hooks import hooks
from stage0.plan.names import app_names, checked_hostname, checked_name
from stage0.plan.order import check_order, dependencies
from stage0.plan.sockets import fd_store, sockets
from stage0.plan.storage import VolumeBook
from stage0.plan.streams import check_streams, log, log_rate, streams
from stage0.request import AppRequest, PodRequest
from stage1.contract import App, Dependency, PodManifest, Stdin, UsageError, User
from stage1.contract import Image as AppImage
from stage1.contract.values import NamedTuple


class Circumstances(NamedTuple):
    """What the plan takes from the moment it is made in.

    `images` are those mounted as volumes, by what the request calls them; `owners` those of paths in the images of
    apps, by the app's index and the path.
    """

    uuid: str
    created: str
    directory: str
    term: str
    memory: int
    images: Mapping[str, Image] = MappingProxyType({})
    owners: Mapping[tuple[int, str], tuple[int, int]] = MappingProxyType({})
    host: Host = Host()


def plan_pod(request: PodRequest, images: Sequence[Image], now: Circumstances) -> PodManifest:
    """The whole pod; UsageError for whatever has no meaning. `images` are those of the apps, in their order.

    Which ids are free is no question of a plan: `stage0.pods.ranges` gives a pod with a `userns` of base 0 its own.
    """
    names = app_names(request)
    volumes = VolumeBook(now.images)
    hostname = request.hostname or request.name or f"pod-{now.uuid[:8]}"
    apps = tuple(
        _named(request, identity.with_owner(wish, index, now.owners), image, name, volumes, now)
        for index, (wish, image, name) in enumerate(zip(request.app, images, names, strict=True))
    )
    check_order(apps)
    net = network.plan(request, names)
    check_streams(request, apps)
    own = userns.wanted(request.userns)
    userns.check_users(own, apps)
    return PodManifest(
        version=1,
        uuid=now.uuid,
        name=checked_name(request.name, "pod") if request.name is not None else None,
        hostname=checked_hostname(hostname),
        created=now.created,
        apps=apps,
        volumes=tuple(volumes.volumes.values()),
        userns=own,
        network=net.mode,
        network_of=net.of,
        interfaces=net.interfaces,
        published=net.published,
        sysctls=net.sysctls,
        names=identity.names(request, net.mode),
        identity=identity.identity(request, now.uuid),
        exit_policy=life.exit_policy(request, apps),
        remove=request.rm,
        immutable=request.immutable,
        log_limit=max(65536, quantities.size(str(request.log_size), where="--log-size")),
        log=log(request.log),
        log_rate=log_rate(request.log_rate),
        journal=request.journal,
        bus=request.bus,
        resources=resources.resources(request, now.memory),
        best_effort=request.best_effort,
        slice=hostunit.checked_slice(request.slice),
        unit_properties=hostunit.properties(request),
    )


def _named(
    pod: PodRequest, wish: AppRequest, image: Image, name: str, book: VolumeBook, now: Circumstances
) -> App:
    """Every complaint names the app it is about."""
    try:
        return plan_app(pod, wish, image, name, book, now)
    except UsageError as error:
        if len(pod.app) == 1 or f"app {name}" in error.message:
            raise
        raise UsageError(f"app {name}: {error.message}", hint=error.hint) from None


def plan_app(
    pod: PodRequest,
    wish: AppRequest,
    image: Image,
    name: str,
    book: VolumeBook,
    now: Circumstances,
) -> App:
    """One app; its volumes are noted in the book."""
    config = image.config
    user = _user(wish, image)
    mounts, tmpfs = storage.mounts(pod, wish, config.volumes, name, book, now.directory)
    flow = streams(pod, wish, name)
    return App(
        name=name,
        image=AppImage(name=image.name, digest=image.digest),
        layers=image.layers,
        argv=process.argv(wish, image, name),
        env=process.environment(config.env, wish.env, user, now.term if flow.stdin is Stdin.TTY else ""),
        user=user,
        workdir=process.workdir(wish.workdir or config.workdir or "/", name),
        stop_signal=quantities.signal_name(
            wish.stop_signal or config.stop_signal or "SIGTERM",
            where=f"app {name}: "
            + ("--stop-signal" if wish.stop_signal else "the image's (--stop-signal wins)"),
        ),
        stop_time=quantities.seconds(wish.stop_time, where="--stop-time"),
        kill_mode=life.kill_mode(wish.kill_mode),
        run_time=life.bound(wish.run_time, "--run-time"),
        watchdog=life.watchdog(wish, name),
        restart=life.restart(wish),
        readiness=life.readiness(wish, name),
        hooks=hooks(wish, name),
        init=wish.init,
        sidecar=life.sidecar(wish, name),
        after=_waits(wish, "after"),
        wants=_waits(wish, "wants"),
        requires=_waits(wish, "requires"),
        mounts=mounts,
        tmpfs=(
            *tmpfs,
            *scratch(wish, (*(mount.target for mount in mounts), *(one.target for one in tmpfs))),
        ),
        credentials=credentials(wish, name, now.directory),
        sockets=sockets(wish.socket, name, image.passwd, image.group),
        fd_store=fd_store(wish, name),
        stdin=flow.stdin,
        stdout=flow.stdout,
        stderr=flow.stderr,
        resources=resources.resources(wish, now.memory),
        ulimits=resources.ulimits(pod.ulimit, wish.ulimit),
        oom_score_adjust=resources.oom_score_adjust(
            pod.oom_score_adj if wish.oom_score_adj is None else wish.oom_score_adj
        ),
        confinement=confinement(wish, user, own_ids=pod.userns != "host", host=now.host, name=name),
        ports=config.ports,
        labels=dict(config.labels),
    )


def _user(wish: AppRequest, image: Image) -> User:
    text = wish.user if wish.user is not None else image.config.user
    return users.resolve(text, wish.group, image.passwd, image.group, wish.group_add)


def _waits(wish: AppRequest, option: str) -> tuple[Dependency, ...]:
    return dependencies(getattr(wish, option), f"--{option}")
