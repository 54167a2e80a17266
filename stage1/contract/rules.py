"""PURE. What a manifest must keep beyond the types of its fields.

Names are safe in paths and units, references lead somewhere. Checked once, when a `pod.json` is read; nothing behind
it looks again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stage1.contract import unitproperties
from stage1.contract.checks import absolute, matches, unique, within
from stage1.contract.confinement import Confinement
from stage1.contract.credentials import CredentialKind
from stage1.contract.errors import UsageError
from stage1.contract.identity import Identity, Names
from stage1.contract.life import Condition, ExitRule
from stage1.contract.limits import broken_resources, broken_ulimits
from stage1.contract.manifest import App, PodManifest, User
from stage1.contract.network import Interface, NetworkMode, Port
from stage1.contract.sockets import LARGEST_FD_STORE
from stage1.contract.storage import Mount, Propagation, Volume, VolumeKind
from stage1.contract.streams import Output, Stdin
from stage1.contract.text import FILE_NAME, NAME, POD_NAME

HOSTNAME = re.compile(
    r"(?=.{1,64}$)[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DIGEST = re.compile(r"[a-z0-9]+:[a-zA-Z0-9]+")
LISTEN = re.compile(r"[!-$&-~]+")
SIGNAL = re.compile(r"SIG[A-Z][A-Z0-9]*([+-][0-9]{1,2})?")
CAPABILITY = re.compile(r"CAP_[A-Z_]+")
DEVICE = re.compile(r"(?!lo$)[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}")
NETWORK = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")
ADDRESS = re.compile(r"[0-9a-f:.]{2,45}(/[0-9]{1,3})?")
SYSCTL = re.compile(r"net[./](?!.*\.\.)[a-zA-Z0-9_./-]+=[ -~]*")
PROTOCOL = re.compile(r"tcp|udp|sctp")
MACHINE_ID = re.compile(r"[0-9a-f]{32}")
ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
# Words of hosts(5) and resolv.conf(5).
SERVER = re.compile(r"[0-9a-fA-F:.]+(%[a-zA-Z0-9._-]+)?")
LOOKUP_WORD = re.compile(r"[!-~]+")
SYSTEM_CALL = re.compile(r"@?[a-z_][a-z0-9_-]*(:([A-Z][A-Z0-9]*|kill))?")
ERRNO = re.compile(r"[A-Z][A-Z0-9]*|kill")
WORD = re.compile(r"[A-Za-z0-9_-]+")
RIGHTS = re.compile(r"(?!.*(.).*\1)[rwm]+")
LABEL = re.compile(r"[!-~]+")
SLICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\.slice")
LARGEST_ID = 2**32 - 2
LONGEST_TIME = 10.0 * 365 * 86400


def _host_unit(pod: PodManifest) -> Iterator[str]:
    if pod.slice is not None:
        yield from matches("slice", SLICE, pod.slice)
    for number, text in enumerate(pod.unit_properties):
        try:
            unitproperties.parse(text, where=f"unit_properties.{number}")
        except UsageError as error:
            yield error.message


def broken(pod: PodManifest) -> Iterator[str]:
    """Each rule that this pod does not keep, by the path of the field."""
    yield from _host_unit(pod)
    yield from matches("uuid", UUID, pod.uuid)
    yield from matches("hostname", HOSTNAME, pod.hostname)
    if pod.name is not None:
        yield from matches("name", POD_NAME, pod.name)
    if pod.userns is not None:
        yield from within("userns.base", pod.userns.base, 1, LARGEST_ID)
        yield from within("userns.size", pod.userns.size, 1, LARGEST_ID + 1 - pod.userns.base)
    yield from within("log_limit", pod.log_limit, 65536, 2**62)
    yield from within("log_rate.lines", pod.log_rate.lines, 0, 2**32 - 1)
    yield from within("log_rate.seconds", pod.log_rate.seconds, 1, 86400)
    yield from broken_resources("resources", pod.resources)
    yield from unique("apps", (app.name for app in pod.apps))
    yield from unique("volumes", (volume.name for volume in pod.volumes))
    for number, volume in enumerate(pod.volumes):
        yield from _volume(f"volumes.{number}", volume)
    for number, app in enumerate(pod.apps):
        yield from _app(f"apps.{number}", app)
        yield from _references(f"apps.{number}", app, pod)
    yield from _network(pod)
    yield from _names(pod.names)
    yield from _identity(pod.identity)
    deciding = pod.exit_policy.app
    if (pod.exit_policy.rule is ExitRule.APP) != (deciding in {app.name for app in pod.apps}):
        yield f"exit_policy.app: {deciding!r} does not fit the rule {pod.exit_policy.rule.value}"


def _network(pod: PodManifest) -> Iterator[str]:
    shared = pod.network in {NetworkMode.POD, NetworkMode.NAMESPACE}
    if shared != bool(pod.network_of):
        yield f"network_of: {pod.network_of!r} does not fit the network {pod.network.value}"
    if (pod.network is NetworkMode.PRIVATE) != bool(pod.interfaces):
        yield f"interfaces: {len(pod.interfaces)} do not fit the network {pod.network.value}"
    if pod.published and not any(interface.network for interface in pod.interfaces):
        yield "published: no interface is on a network that ports could lead to"
    yield from unique("interfaces", (interface.name for interface in pod.interfaces))
    for number, interface in enumerate(pod.interfaces):
        yield from _interface(f"interfaces.{number}", interface)
    for number, port in enumerate(pod.published):
        yield from _port(f"published.{number}", port)
    for text in pod.sysctls:
        yield from matches("sysctls", SYSCTL, text)


def _interface(where: str, interface: Interface) -> Iterator[str]:
    yield from matches(f"{where}.name", DEVICE, interface.name)
    if (interface.network is None) == (interface.bridge is None):
        yield f"{where}: it is on a network or on a bridge"
    patterns = {"network": NETWORK, "bridge": DEVICE, "mac": MAC}
    patterns |= dict.fromkeys(("ip4", "ip6", "gateway4", "gateway6"), ADDRESS)
    for name, pattern in patterns.items():
        if (value := getattr(interface, name)) is not None:
            yield from matches(f"{where}.{name}", pattern, value)
    yield from within(f"{where}.mtu", interface.mtu, 576, 65535)


def _port(where: str, port: Port) -> Iterator[str]:
    yield from within(f"{where}.pod", port.pod, 1, 65535)
    yield from within(f"{where}.host", port.host, 0, 65535)
    yield from matches(f"{where}.protocol", PROTOCOL, port.protocol)
    if port.address:
        yield from matches(f"{where}.address", ADDRESS, port.address)


def _volume(where: str, volume: Volume) -> Iterator[str]:
    yield from matches(f"{where}.name", FILE_NAME, volume.name)
    if volume.kind is VolumeKind.HOST:
        yield from absolute(f"{where}.source", volume.source or "")
    if volume.kind is VolumeKind.NAMED:
        yield from matches(f"{where}.source", NAME, volume.source or "")
    if (volume.kind is VolumeKind.IMAGE) != bool(volume.layers):
        yield f"{where}.layers: an image's tree has layers, and nothing else has"
    for layer in volume.layers:
        yield from matches(f"{where}.layers", DIGEST, layer)
    yield from within(f"{where}.mode", volume.mode, 0, 0o7777)
    yield from within(f"{where}.uid", volume.uid, 0, LARGEST_ID)
    yield from within(f"{where}.gid", volume.gid, 0, LARGEST_ID)


def _names(names: Names) -> Iterator[str]:
    for entry in names.entries:
        yield from matches("names.entries.address", SERVER, entry.address)
        for name in entry.names:
            yield from matches("names.entries.names", LOOKUP_WORD, name)
    for server in names.servers:
        yield from matches("names.servers", SERVER, server)
    for word in (*(names.search or ()), *(names.options or ())):
        yield from matches("names", LOOKUP_WORD, word)


def _identity(identity: Identity) -> Iterator[str]:
    if identity.machine_id is not None:
        yield from matches("identity.machine_id", MACHINE_ID, identity.machine_id)
    if identity.timezone is not None:
        yield from matches("identity.timezone", ZONE, identity.timezone)


def _app(where: str, app: App) -> Iterator[str]:
    yield from matches(f"{where}.name", NAME, app.name)
    yield from matches(f"{where}.stop_signal", SIGNAL, app.stop_signal)
    yield from absolute(f"{where}.workdir", app.workdir)
    if not app.argv or not app.argv[0]:
        yield f"{where}.argv: names no program"
    for layer in app.layers:
        yield from matches(f"{where}.layers", DIGEST, layer)
    yield from _confinement(f"{where}.confinement", app.confinement)
    for text in app.env:
        if not text.partition("=")[0] or "=" not in text:
            yield f"{where}.env: {text[:40]!r} is not NAME=VALUE"
    for target in (*(mount.target for mount in app.mounts), *(tmpfs.target for tmpfs in app.tmpfs)):
        yield from absolute(f"{where}.mounts", target)
    yield from _sockets(where, app)
    yield from _hooks(where, app)
    yield from _streams(where, app)
    yield from _credentials(where, app)
    yield from _user(f"{where}.user", app.user)
    yield from broken_resources(f"{where}.resources", app.resources)
    yield from broken_ulimits(f"{where}.ulimits", app.ulimits)
    yield from within(f"{where}.oom_score_adjust", app.oom_score_adjust, -1000, 1000)
    yield from _numbers(where, app)


def _sockets(where: str, app: App) -> Iterator[str]:
    yield from unique(f"{where}.sockets", (socket.name for socket in app.sockets))
    for socket in app.sockets:
        yield from matches(f"{where}.sockets.name", NAME, socket.name)
        yield from matches(f"{where}.sockets.listen", LISTEN, socket.listen)
        yield from within(f"{where}.sockets.mode", socket.mode, 0, 0o777)
        for number in (socket.uid, socket.gid):
            yield from within(f"{where}.sockets", number, 0, LARGEST_ID)


def _credentials(where: str, app: App) -> Iterator[str]:
    yield from unique(f"{where}.credentials", (one.name for one in app.credentials))
    for one in app.credentials:
        yield from matches(f"{where}.credentials.name", FILE_NAME, one.name)
        if one.kind is CredentialKind.UNIT:
            yield from matches(f"{where}.credentials.source", FILE_NAME, one.source)
        elif not one.source.startswith("/"):
            yield f"{where}.credentials: {one.source[:80]!r} is not an absolute path"


def _streams(where: str, app: App) -> Iterator[str]:
    terminal = app.stdin is Stdin.TTY
    if terminal != (app.stdout is Output.TTY) or (app.stderr is Output.TTY and not terminal):
        yield f"{where}.stdout: a terminal is both input and output"


def _hooks(where: str, app: App) -> Iterator[str]:
    for command in (command for commands in app.hooks for command in commands):
        if not command or not command[0]:
            yield f"{where}.hooks: a command names no program"
    if app.init and (
        app.sidecar or app.watchdog or app.fd_store or app.hooks.pre_stop or app.hooks.post_stop
    ):
        yield f"{where}.init: an app that runs to its end is no sidecar and has no watchdog and no stop"


def _confinement(where: str, confinement: Confinement) -> Iterator[str]:
    for capability in (*confinement.capabilities, *confinement.ambient):
        yield from matches(f"{where}.capabilities", CAPABILITY, capability)
    calls = confinement.system_calls
    for call in (*calls.allow, *calls.deny):
        yield from matches(f"{where}.system_calls", SYSTEM_CALL, call)
    yield from matches(f"{where}.system_calls.errno", ERRNO, calls.errno)
    for word in (*calls.architectures, *calls.families):
        yield from matches(f"{where}.system_calls", WORD, word)
    for device in confinement.devices:
        yield from absolute(f"{where}.devices.source", device.source)
        yield from absolute(f"{where}.devices.target", device.target)
        yield from matches(f"{where}.devices.rights", RIGHTS, device.rights)
    for path in confinement.hidden:
        yield from absolute(f"{where}.hidden", path)
    for label in (confinement.apparmor, confinement.selinux):
        if label is not None:
            yield from matches(where, LABEL, label)


def _user(where: str, user: User) -> Iterator[str]:
    for number in (user.uid, user.gid, *user.groups):
        yield from within(where, number, 0, LARGEST_ID)


def _numbers(where: str, app: App) -> Iterator[str]:
    yield from within(f"{where}.stop_time", app.stop_time, 0, LONGEST_TIME)
    yield from within(f"{where}.run_time", app.run_time, 0.001, LONGEST_TIME)
    yield from within(f"{where}.watchdog", app.watchdog, 0.001, LONGEST_TIME)
    yield from within(f"{where}.fd_store", app.fd_store, 0, LARGEST_FD_STORE)
    yield from within(f"{where}.restart.delay", app.restart.delay, 0, LONGEST_TIME)
    yield from within(f"{where}.restart.max_delay", app.restart.max_delay, app.restart.delay, LONGEST_TIME)
    yield from within(f"{where}.restart.limit", app.restart.limit, 0, 2**31 - 2)
    yield from within(f"{where}.readiness.port", app.readiness.port, 1, 65535)
    yield from within(f"{where}.readiness.timeout", app.readiness.timeout, 0, LONGEST_TIME)
    for tmpfs in app.tmpfs:
        yield from within(f"{where}.tmpfs.mode", tmpfs.mode, 0, 0o7777)
        yield from within(f"{where}.tmpfs.size", tmpfs.size, 0, 2**63 - 1)
        yield from within(f"{where}.tmpfs.uid", tmpfs.uid, 0, LARGEST_ID)
        yield from within(f"{where}.tmpfs.gid", tmpfs.gid, 0, LARGEST_ID)


def _references(where: str, app: App, pod: PodManifest) -> Iterator[str]:
    apps, volumes = {other.name for other in pod.apps}, {volume.name: volume for volume in pod.volumes}
    watched = {other.name for other in pod.apps if other.is_watched}
    for other in (*app.after, *app.wants, *app.requires):
        if other.app not in apps - {app.name}:
            yield f"{where}.after: {other.app!r} is no other app of this pod"
        if other.condition is Condition.HEALTHY and other.app not in watched:
            yield f"{where}.after: nothing watches over the health of {other.app!r}"
    for mount in app.mounts:
        if mount.volume not in volumes:
            yield f"{where}.mounts: {mount.volume!r} is no volume of this pod"
        elif mount.propagation is Propagation.SHARED:
            yield from _shared(f"{where}.mounts", mount, volumes[mount.volume], pod)


def _shared(where: str, mount: Mount, volume: Volume, pod: PodManifest) -> Iterator[str]:
    if pod.userns is not None:
        yield f"{where}: {mount.target!r} cannot be shared, the pod has ids of its own"
    if volume.kind is not VolumeKind.HOST or mount.idmap:
        yield f"{where}: {mount.target!r} cannot be shared, it is not the host's as it is"
