"""EFFECT. The end of stage0: hand the locked pod directory to stage1, in the foreground or detached.

stage1 is imported here and only here, late: its own process would cost another interpreter start. `python -m stage1`
does the same from a unit.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from stage1.contract.errors import ConflictError, HostError

TYPE_CHECKING = False  # that of `typing`, which `pod exec` has no time to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any, Literal, NoReturn

    from stage1.contract import PodDir, PodManifest

    AppChange = Literal["start", "stop", "restart"]
    # Tells the user what is not an error: only verbs print.
    Warn = Callable[[str], None]

# Where the host's administrator and packages put units, systemd.unit(5).
_UNIT_PLACES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)


def _stage1(module: str) -> Any:  # noqa: ANN401  stage0 sees only the contract of stage1; this is the one crossing
    return import_module(f"stage1.{module}")


def networks() -> Any:  # noqa: ANN401  as above
    """What stage1 does with networks and published ports (`stage1.network.live`)."""
    return _stage1("network.live")


def render(pod: PodManifest, directory: PodDir, warn: Warn) -> None:
    """Write `run/` and start nothing."""
    _tell(_stage1("launch").prepare(pod, directory, start=False), warn)


def _tell(limited: Any, warn: Warn) -> None:  # noqa: ANN401  see _stage1
    for reason in limited.refused:
        warn(f"not enforced here: {reason}")


def changes(pod: PodManifest, directory: PodDir) -> str:
    """What another start would change in `run/`, as a unified diff."""
    found: str = _stage1("renderdiff").changes(pod, directory)
    return found


def foreground(
    pod: PodManifest,
    directory: PodDir,
    lock: int,
    warn: Warn,
    *,
    detach_keys: tuple[int, ...] = (),
    ready: int | None = None,
) -> NoReturn:
    """Become the pod's monitor; this process ends with the pod's status, or with 0 when the keys are pressed.

    `ready`: told when the pod is.
    """
    launch = _stage1("launch")
    scoped = _wants_scope(pod)
    limited = launch.prepare(pod, directory, keep_unit=True if scoped else None)
    _tell(limited, warn)
    if scoped:
        _stage1("manager").enter_scope(_wish(limited.pod, "scope"), os.getpid())
    sys.stdout.flush()
    # a pod that is told to reboot is started again by its unit, if it has one, and by its monitor elsewhere
    again = not _stage1("host").main_process_of_a_unit(dict(os.environ), os.getpid())
    options = launch.MonitorOptions(lock=lock, ready=ready, detach_keys=detach_keys, again=again)
    launch.become_monitor(directory, options)
    raise AssertionError("execv returned")


def _wants_scope(pod: PodManifest) -> bool:
    """Whether somebody wishes something of the pod's unit, and this is no unit of the user's own already."""
    if pod.slice is None and not pod.unit_properties:
        return False
    _require_booted(pod)
    if _stage1("host").main_process_of_a_unit(dict(os.environ), os.getpid()):
        return False
    from stage1.contract import unitproperties  # noqa: PLC0415  most pods wish for nothing

    if found := unitproperties.of_services(pod.unit_properties):
        raise HostError(
            f"--property {found[0]}: a pod in the foreground is in a scope, which has no such property",
            hint="run it detached: -d",
        )
    return True


def _require_booted(pod: PodManifest) -> None:
    if (pod.slice or pod.unit_properties) and not _booted():
        raise HostError(
            f"pod {pod.label} can have no unit of the host: systemd is not PID 1 here",
            hint="leave out --slice and --property",
        )


def _booted() -> bool:
    """See sd_booted(3)."""
    return os.path.isdir("/run/systemd/system")


def unit_file(name: str) -> str | None:
    """Where the host has the file of a unit, if it has one."""
    return next((path for place in _UNIT_PLACES if os.path.exists(path := f"{place}/{name}")), None)


def require_no_unit_file(label: str) -> None:
    """A detached pod is a transient unit, and none can be where the host has a file of that name (`pod unit`)."""
    unit = f"pod-{label}.service"
    path = unit_file(unit)
    if path is not None and _booted():
        raise ConflictError(
            f"pod {label} is started and restarted by a unit of the host: {path}",
            hint=f"systemctl restart {unit}; or remove the file, then systemctl daemon-reload",
        )


def _wish(pod: PodManifest, kind: str) -> Any:  # noqa: ANN401  see _stage1
    """The pod's transient unit or scope, with what was asked of it."""
    properties: list[Any] = []
    if pod.unit_properties:
        from stage1.contract import unitproperties  # noqa: PLC0415  see above

        later = _later(pod.unit_properties)
        wished = [text for text in pod.unit_properties if text not in later]
        properties = [one for text in wished for one in unitproperties.parse(text)]
    return _stage1("manager").Wish(
        unit=f"pod-{pod.label}.{kind}",
        description=f"pod {pod.label}",
        stop_time=sum(app.stop_time for app in pod.apps),  # at worst they wait for each other
        limits={
            **_stage1("limits").bus_properties(pod.resources),
            **_stage1("devices").bus_properties(pod),
            **(_own_network() if kind == "service" else {}),
        },
        slice=pod.slice or "machine.slice",
        properties=properties,
    )


def _later(properties: tuple[str, ...]) -> tuple[str, ...]:
    """What came with a later systemd than this host's: the unit does without it, as a unit file would."""
    if not properties:
        return ()
    from stage1.contract import unitproperties  # noqa: PLC0415  see above

    if not unitproperties.too_new(properties, 0):
        return ()
    return unitproperties.too_new(properties, _stage1("host").systemd_version())


def detached(pod: PodManifest, directory: PodDir, lock: int, warn: Warn) -> bool:
    """Start the pod on its own and return when it is ready (True) or has already ended (False).

    On a systemd host the pod becomes a transient unit; elsewhere its monitor is a process in a session of its own.
    """
    booted = _booted()
    _require_booted(pod)
    require_no_unit_file(pod.label)
    launch = _stage1("launch")
    limited = launch.prepare(pod, directory, keep_unit=booted)
    _tell(limited, warn)
    for text in _later(pod.unit_properties):
        warn(f"the host's systemd does not know --property {text}")
    ours, theirs = os.pipe()
    try:
        if pod.unit_properties and _is_restarted(pod):
            _start_again(limited.pod, directory, lock, theirs)
        elif booted:
            _start_unit(limited.pod, directory, lock, theirs)
        else:
            _fork_monitor(directory, lock, theirs)
    finally:
        os.close(theirs)
    try:
        return os.read(ours, 16).startswith(b"ready")
    finally:
        os.close(ours)


def host_unit(**wish: Any) -> tuple[str, str]:  # noqa: ANN401  the fields of stage1.hostunit.Wish
    """The name and the text of a pod's unit for the host."""
    if wish.get("properties"):
        wish["systemd"] = _stage1("host").systemd_version()
    texts = _host_units(("pod.service",), _stage1("hostunit").Wish(**wish))
    return f"pod-{wish['name']}.service", texts["pod.service"]


def shared_host_units(program: str, root: str) -> dict[str, str]:
    """Units that a host has once, whatever its pods."""
    hostunit = _stage1("hostunit")
    return _host_units(hostunit.SHARED, hostunit.Wish(program=program, root=root))


def _host_units(templates: tuple[str, ...], wish: Any) -> dict[str, str]:  # noqa: ANN401
    jobs = [_stage1("hostunit").job(template, wish) for template in templates]
    texts: dict[str, str] = _stage1("render").render(jobs, _stage1("resources").template_path(), None)
    return texts


def reload_host() -> None:
    """Let the host's systemd read its units again."""
    _stage1("manager").reload()


def change(pod: PodDir, what: AppChange, app: str, leader: int) -> None:
    """Have the pod's own systemd do this to an app, and wait until it is done."""
    getattr(_stage1("running.change"), f"{what}_app")(pod, leader, app)


def ask(pod: PodDir, *words: str, descriptors: list[int]) -> str:
    """What the monitor of a running pod answers."""
    answer: str = _stage1("running.control").ask(pod, *words, descriptors=descriptors)
    return answer


def changing(pod: PodDir) -> AbstractContextManager[None]:
    """Whoever else wants to change this running pod waits until we are done."""
    lock: AbstractContextManager[None] = _stage1("running.change").changing(pod)
    return lock


def joining() -> Any:  # noqa: ANN401  see _stage1
    """What stage1 does when apps come to a running pod and leave it."""
    return _stage1("running.joining")


def plans(directory: PodDir) -> Any:  # noqa: ANN401  see _stage1
    """What a start would write of a running pod before a change and after; made anew for each change."""
    return _stage1("running.replanning").Plans(directory)


def limit(
    old: PodManifest, new: PodManifest, pod: PodDir, leader: int, app: str | None, *, best_effort: bool
) -> list[str]:
    """Bind a running pod, or an app of it, to the limits of `new`; what this host cannot enforce."""
    limiting = _stage1("running.limiting")
    refused: list[str] = (
        limiting.limit_app(old, new, pod, leader, app, best_effort=best_effort)
        if app
        else limiting.limit_pod(old, new, pod, leader, best_effort=best_effort)
    )
    return refused


def _start_unit(pod: PodManifest, directory: PodDir, lock: int, ready: int) -> None:
    launch = _stage1("launch")
    argv = launch.monitor_argv(directory, launch.MonitorOptions(lock=0, ready=1, quiet=True, again=True))
    _stage1("manager").start_monitor(_wish(pod, "service"), argv, lock=lock, ready=ready)


def _is_restarted(pod: PodManifest) -> bool:
    from stage1.contract import unitproperties  # noqa: PLC0415  see above

    return unitproperties.restarts(pod.unit_properties)


def _start_again(pod: PodManifest, directory: PodDir, lock: int, ready: int) -> None:
    """In a unit that may start the pod more than once each start takes the lock itself: until then it is prepared."""
    import fcntl  # noqa: PLC0415  rare

    from stage0.pods import lifecycle  # noqa: PLC0415
    from stage1.contract import State  # noqa: PLC0415

    lifecycle.move(directory, State.PREPARED)
    fcntl.flock(lock, fcntl.LOCK_UN)
    argv = [os.path.abspath(sys.argv[0]), "start", "--ready-fd", "0", pod.uuid]
    environment = [f"POD_DIR={directory.root.path}"]
    environment += [f"{name}={value}" for name, value in os.environ.items() if name.startswith("POD_USERNS")]
    _stage1("manager").start_again_and_again(_wish(pod, "service"), argv, environment, ready=ready)


def _own_network() -> dict[bytes, object]:
    """Whoever is in another network namespace than the host's systemd (`ip netns exec`) means that one for the pod."""
    ours, theirs = (f"/proc/{process}/ns/net" for process in (os.getpid(), 1))
    same = os.path.samefile(ours, theirs)
    return {} if same else {b"NetworkNamespacePath": os.fsencode(ours)}


def _fork_monitor(directory: PodDir, lock: int, ready: int) -> None:
    """Fork twice, so that the monitor is nobody's child."""
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _without_streams()
                launch = _stage1("launch")
                options = launch.MonitorOptions(lock=lock, ready=ready, quiet=True, again=True)
                launch.become_monitor(directory, options)
        finally:
            os._exit(125)
    os.waitpid(child, 0)


def _without_streams() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)
    os.chdir("/")


def enter(directory: str, arguments: list[str], app: str, command: list[str]) -> NoReturn:
    """Become the program that runs a command inside an app; it ends with the command's status."""
    program = native("keeper")
    sys.stdout.flush()
    try:
        os.execv(program, [program, *arguments, directory, app, *command])  # noqa: S606  no shell wanted
    except OSError as error:
        raise HostError(f"cannot run {program}: {error.strerror}", hint="run `make native`") from None


def native(name: str) -> str:
    """The path of one of the C programs."""
    path: str = _stage1("programs").native(name)
    return path


def capture_filters(twin: PodDir, lock: int, unit: bytes, target: Path) -> None:
    """Read the system call filters of a unit into a file, with this fresh pod directory to do it in."""
    _stage1("twin").capture(twin, lock, unit, target)


def require_native(pod: PodDir) -> None:
    """Fail before anything is made if the C programs were not built."""
    if not os.access(native("monitor"), os.X_OK):
        raise HostError(f"the monitor is not built, pod {pod.uuid} cannot run", hint="run `make native`")
