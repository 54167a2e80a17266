"""PURE. The systemd-nspawn argv: the rendered template with this pod's own values filled in."""

from __future__ import annotations

from collections.abc import Iterable

from stage1 import devices, limits
from stage1.contract import NetworkMode, PodDir, PodManifest, Stdin
from stage1.contract.paths import BEGIN
from stage1.contract.values import NamedTuple
from stage1.mounts import follows
from stage1.quoting import Escaped
from stage1.render import Job

TEMPLATE = "pod/nspawn.args.j2"
RESULT = "nspawn.args"

# The default of systemd-nspawn(1), --capability=.
KEPT = frozenset({
    "CAP_AUDIT_CONTROL", "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER",
    "CAP_FSETID", "CAP_IPC_OWNER", "CAP_KILL", "CAP_LEASE", "CAP_LINUX_IMMUTABLE", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP",
    "CAP_SETUID", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_CHROOT", "CAP_SYS_NICE", "CAP_SYS_PTRACE",
    "CAP_SYS_RESOURCE", "CAP_SYS_TTY_CONFIG",
})  # fmt: skip


# systemd-nspawn's own filter costs 100 ms to compile; every app's unit has one at least as strict, and nothing else
# in the pod runs an image's code. systemd-nspawn's lock says no more than that of the pod directory, and is one more
# file below /run, which stays there when it is killed.
ENVIRONMENT = ("SYSTEMD_SECCOMP=0", "SYSTEMD_NSPAWN_LOCK=0")


class Assignment(NamedTuple):
    """NAME=VALUE of an option that has such."""

    name: Escaped
    value: Escaped


class NspawnArguments(NamedTuple):
    """The context of nspawn.args. The last five are marks that `argv` replaces, so that renderings can be cached."""

    console: Escaped
    log_level: Escaped
    register: bool
    keep_unit: bool
    private_network: bool
    begin: Escaped
    waits: bool
    closes: bool
    apparmor: bool
    files_label: Escaped
    private_users: bool
    journal: bool
    properties: tuple[Assignment, ...]
    ulimits: tuple[Assignment, ...]
    capabilities: Escaped
    directory: Escaped = Escaped("@directory@")
    machine: Escaped = Escaped("@machine@")
    uuid: Escaped = Escaped("@uuid@")
    hostname: Escaped = Escaped("@hostname@")
    userns: Escaped = Escaped("@userns@")


def job(pod: PodManifest, *, register: bool, keep_unit: bool, files_label: str = "") -> Job:
    """What to render for this pod's supervisor; `files_label` is the host's, for apps with a label of SELinux."""
    tty = any(app.stdin is Stdin.TTY for app in pod.apps)
    alone = pod.network in {NetworkMode.NONE, NetworkMode.PRIVATE}
    # systemd-nspawn hides where systemd asks for AppArmor, if it makes a network
    waits = pod.network is NetworkMode.PRIVATE or follows(pod)
    labelled = alone and any(app.confinement.apparmor for app in pod.apps)
    context = NspawnArguments(
        console=Escaped("interactive" if tty else "read-only"),
        log_level=Escaped("crit" if tty else "warning"),
        register=register,
        keep_unit=keep_unit,
        private_network=alone,
        begin=Escaped(BEGIN if waits or labelled else ""),
        waits=waits,
        closes=pod.network is NetworkMode.PRIVATE and pod.userns is None,
        apparmor=labelled,
        files_label=Escaped(files_label if any(app.confinement.selinux for app in pod.apps) else ""),
        private_users=pod.userns is not None,
        journal=pod.journal,
        # with a unit of its own the pod's limits and devices are that unit's
        properties=_assignments(_scope(pod)) if register and not keep_unit else (),
        ulimits=_assignments(
            (name.upper(), f"{soft}:{hard}") for name, soft, hard in limits.supervisor_ulimits(pod)
        ),
        capabilities=Escaped(",".join(more_capabilities(pod))),
    )
    return Job(TEMPLATE, RESULT, "nspawn", context)


def _scope(pod: PodManifest) -> Iterable[tuple[str, str]]:
    return (*limits.properties(pod.resources), *devices.properties(pod))


def _assignments(found: Iterable[tuple[str, str]]) -> tuple[Assignment, ...]:
    return tuple(Assignment(name=Escaped(name), value=Escaped(value)) for name, value in found)


def more_capabilities(pod: PodManifest) -> list[str]:
    """What apps have beyond what systemd-nspawn leaves to the pod's systemd, which can give only what it has."""
    return sorted({name for app in pod.apps for name in app.confinement.capabilities} - KEPT)


def argv(program: str, rendered: str, pod: PodManifest, directory: PodDir) -> tuple[str, ...]:
    """One argument a line; comments and empty lines are for readers."""
    values = {
        "@directory@": str(directory.rootfs),
        "@machine@": pod.machine,
        "@uuid@": pod.uuid,
        "@hostname@": pod.hostname,
        "@userns@": f"{pod.userns.base}:{pod.userns.size}" if pod.userns else "",
    }
    arguments = [line for line in rendered.splitlines() if line and not line.startswith("#")]
    return (program, *(_fill(argument, values) for argument in arguments))


def _fill(argument: str, values: dict[str, str]) -> str:
    name, equals, value = argument.partition("=")
    return f"{name}{equals}{values.get(value, value)}"
