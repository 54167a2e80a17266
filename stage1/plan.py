"""PURE. From a manifest to everything that will be written below `run/`: nothing is done here."""

from __future__ import annotations

import json
from collections.abc import Collection, Container, Iterator, Mapping
from pathlib import Path

from stage1 import entering, identity, journal, limits, mounts, nspawn, units
from stage1.contract import (
    App,
    Condition,
    Output,
    PodDir,
    PodManifest,
    Provider,
    Stdin,
    UsageError,
    UserNamespace,
)
from stage1.contract.paths import (
    DEVICE_NODES,
    DEVICES,
    ETC,
    HOST_DEVICES,
    JOURNAL,
    STATUS,
    STREAMS,
    UNITS,
    WORDS,
    claim_of,
    propagation_of,
)
from stage1.contract.places import TWIN_SUFFIX
from stage1.contract.values import NamedTuple
from stage1.host import HostFacts
from stage1.identity import HostFiles
from stage1.mounts import Record, app_root
from stage1.network import records as network_records
from stage1.network.model import Wiring
from stage1.quoting import Unquotable
from stage1.render import Job

# Units without a value of their own.
STATIC_UNITS = (
    "exit.target", "halt.target", "pod-decide.service", "pod-reboot.service", "pod-stop.service", "reboot.target",
    "shutdown.target", "systemd-exit.service",
)  # fmt: skip
# What a signal to the pod's PID 1 starts (systemd(1), "Signals"): systemd-nspawn and machined ask for the first three;
# kexec.target is asked for by the reaper only, when the mark that the pod is being stopped has been made.
ALIASES = {
    "poweroff.target": "halt.target",
    "ctrl-alt-del.target": "reboot.target",
    "kexec.target": "exit.target",
}


# Where files of /etc lie that a pod gives its apps (`identity.files`).
OWN_FILES = "identity/etc/"


class Site(NamedTuple):
    """What a pod is planned upon: its directory, its own root, and what it has of this host."""

    directory: PodDir
    base: Path
    facts: HostFacts
    files: HostFiles
    wiring: Wiring | None = None
    steps: limits.Steps = limits.Steps()


class LaunchPlan(NamedTuple):
    """What install writes: files and links by path below `run/`."""

    files: Mapping[str, bytes]
    links: Mapping[str, str]
    argv: tuple[str, ...]
    records: tuple[Record, ...]


def jobs(pod: PodManifest, facts: HostFacts, *, keep_unit: bool) -> list[Job]:
    """Every text of this pod that comes from a template."""
    everyone = units.pod_units(pod)
    found = [Job(f"pod/{name}.j2", name) for name in STATIC_UNITS]
    found.append(Job("pod/default.target.j2", "default.target", "pod", everyone))
    found += [Job(f"pod/{name}.j2", name) for name in helper_units(pod)]
    if everyone.talkers:
        found.append(Job("pod/pod-notify.service.j2", "pod-notify.service", "pod", everyone))
    if everyone.passed:
        found.append(Job("pod/-.slice.d/sockets.conf.j2", "-.slice.d/10-sockets.conf", "pod", everyone))
    for awaited in units.awaits(pod):
        name = units.await_name(awaited.app, Condition(awaited.condition))
        found.append(Job("pod/await.service.j2", name, "awaited", awaited))
    for app in pod.apps:
        try:
            found += _app_jobs(app, pod, facts)
        except Unquotable as error:
            raise UsageError(
                f"app {app.name}: {error}", hint="no unit can say this; choose another"
            ) from None
    found.append(
        nspawn.job(
            pod,
            register=facts.booted,
            keep_unit=keep_unit or not facts.booted,
            files_label=facts.files_label,
        )
    )
    return found


def helper_units(pod: PodManifest) -> list[str]:
    """Units of what a pod may ask to have beside its apps."""
    bus = ["dbus.socket", "dbus.service", "container-getty@.service"] if pod.bus else []
    return bus + (["systemd-journald.socket", "systemd-journald.service"] if pod.journal else [])


def _app_jobs(app: App, pod: PodManifest, facts: HostFacts) -> Iterator[Job]:
    unit = units.app_unit(app, pod, facts.systemd, facts.devices)
    yield Job("pod/app.service.j2", units.service_name(app.name), "app", unit)
    yield Job("pod/reaper.service.j2", f"reaper-{app.name}.service", "app", unit)
    for socket in app.sockets:
        name = units.socket_unit_name(app.name, socket.name)
        yield Job("pod/app.socket.j2", name, "socket", units.socket_unit(app, socket))


def launch_plan(pod: PodManifest, site: Site, texts: Mapping[str, str]) -> LaunchPlan:
    """Put rendered texts, tables and the monitor's instructions in their places."""
    directory, wiring = site.directory, site.wiring
    argv = nspawn.argv(site.facts.nspawn, texts[nspawn.RESULT], pod, directory)
    files = {f"units/{name}": text.encode() for name, text in texts.items() if name != nspawn.RESULT}
    files |= {f"etc/{name}": text.encode() for name, text in user_database(pod).items()}
    files["etc/machine-id"] = pod.uuid.replace("-", "").encode() + b"\n"
    files |= {f"apps/{app.name}/words": block for app in pod.apps if (block := units.command(app).words)}
    own = identity.files(pod, site.files, living=living(pod, wiring))
    files |= {f"{OWN_FILES}{name}": content for name, content in own.items()}
    files["nspawn.json"] = (
        json.dumps({"argv": argv, "environment": nspawn.ENVIRONMENT}, indent=1).encode() + b"\n"
    )
    files["etc/policy"] = policy(pod).encode()
    files |= network_records.files(wiring) if wiring else {}
    for name, entry in entering.entries(pod, texts, site.base, nspawn.ENVIRONMENT, directory.root.filters):
        files[f"enter/{name}"] = encode_records(iter(entry.records))
        files[f"enter/{name}{TWIN_SUFFIX}"] = entry.twin
    launch = tuple(records(pod, site, argv, tuple(own)))
    files["launch"] = encode_records(iter(launch))
    links = {f"units/{alias}": target for alias, target in ALIASES.items()}
    return LaunchPlan(files, links, argv, launch)


def policy(pod: PodManifest, joining: Collection[str] = ()) -> str:
    """What the reaper decides by, one fact a line; `joining`: apps that are just being added to a running pod."""
    lines = [f"policy {pod.exit_policy}"]
    for app in pod.apps:
        role = "init" if app.init else "sidecar" if app.sidecar else "main"
        activated = " activated" if units.is_activated(app) else ""
        added = " joining" if app.name in joining else ""
        lines.append(f"app {app.name} {app.restart.when.value} {role}{activated}{added}")
    return "\n".join(lines) + "\n"


def user_database(pod: PodManifest) -> dict[str, str]:
    """passwd and group of the pod's own root: systemd refuses even a numeric User= it cannot look up."""
    sockets = [socket for app in pod.apps for socket in app.sockets]
    uids = {socket.uid: socket.gid for socket in sockets if socket.uid is not None}
    uids |= {app.user.uid: app.user.gid for app in pod.apps if app.user.uid is not None}
    gids = {gid for app in pod.apps for gid in (app.user.gid, *app.user.groups) if gid is not None}
    gids |= {socket.gid for socket in sockets if socket.gid is not None}
    passwd = [f"u{uid}:x:{uid}:{gid or 0}::/:/" for uid, gid in sorted(uids.items()) if uid != 0]
    group = [f"g{gid}:x:{gid}:" for gid in sorted(gids) if gid != 0]
    return {
        "passwd": "\n".join(["root:x:0:0:root:/:/", *passwd]) + "\n",
        "group": "\n".join(["root:x:0:", *group]) + "\n",
    }


def records(pod: PodManifest, site: Site, argv: tuple[str, ...], own: tuple[str, ...]) -> Iterator[Record]:
    """The monitor's instructions in the order it carries them out; `own`: files of /etc the pod gives its apps."""
    yield ("version", "1")
    yield ("pod", pod.label)
    for hierarchy in site.facts.cgroups:
        yield ("cgroup", f"{hierarchy}/pod-{pod.uuid}")
    if pod.userns is not None:
        yield ("userns", str(pod.userns.base), str(pod.userns.size))
    if site.wiring:
        yield from network_records.records(site.wiring)
    yield from site.steps.records
    yield from _supervisor_limits(pod)
    mounted = tuple(_mapped(_mounts(pod, site, own), pod.userns))
    yield from mounted
    yield from mounts.followers(mounted)
    for number, device in enumerate(limits.app_devices(pod)):
        yield ("bind", device, f"rootfs{DEVICES}/{number}", "ro")
    yield from site.steps.mounts
    yield from _devices(pod)
    for app in pod.apps:
        yield from _app_records(app)
    yield from mounts.shared_records(pod)
    yield ("log-limit", str(pod.log_limit))
    yield from journal.records(pod)
    for assignment in nspawn.ENVIRONMENT:
        yield ("env", assignment)
    if pod.remove:
        names = (str(site.directory.root.names / pod.name),) if pod.name else ()
        claims = (str(claim_of(pod.userns)),) if pod.userns else ()
        yield ("remove", *names, *claims, str(propagation_of(pod.machine)))
    yield ("exec", *argv)


def _app_records(app: App) -> Iterator[Record]:
    """Its streams, and what the host gives to it alone."""
    # the FIFOs of an app without a user belong to root: its failure is systemd's to report
    owner = (str(app.user.uid or 0), str(app.user.gid or 0))
    usual = Output.TTY if app.stdin is Stdin.TTY else Output.LOG
    outputs = () if app.stdout is app.stderr is usual else (app.stdout.value, app.stderr.value)
    yield ("app", app.name, *owner, app.stdin.value, *outputs)
    for socket in app.sockets:
        if socket.from_host:
            yield ("from-host", app.name, socket.name)
    yield from _credentials(app)


def _credentials(app: App) -> Iterator[Record]:
    for one in app.credentials:
        yield ("credential", units.credential_id(app.name, one.name), one.kind.value, one.source)


def _supervisor_limits(pod: PodManifest) -> Iterator[Record]:
    """A pod in a user namespace has no right to raise these: its PID 1 has to be born with them."""
    if score := limits.lowest_oom_score(pod):
        yield ("oom-score", str(score))
    for ulimit in limits.supervisor_ulimits(pod):
        yield ("ulimit", *ulimit)


def _mapped(found: Iterator[Record], own: UserNamespace | None) -> Iterator[Record]:
    """What is mounted in a pod with ids of its own belongs to these; overlays do already."""
    for record in found:
        if own is None or record[0] != "bind" or record[1].startswith("rootfs/") or "idmap=" in record[3]:
            yield record
        else:
            kind, source, target, options, *root = record
            yield (kind, source, target, "idmap" if options == "-" else f"{options},idmap", *root)


def _mounts(pod: PodManifest, site: Site, own: tuple[str, ...]) -> Iterator[Record]:
    yield ("overlay", "rootfs", "base", str(site.base))
    yield from _roots(pod, site.directory, own)
    yield ("bind", "run/units", f"rootfs{UNITS}", "ro")
    yield ("bind", "run/etc", f"rootfs{ETC}", "ro")
    yield ("bind", "run/streams", f"rootfs{STREAMS}", "-")
    yield ("bind", "run/status", f"rootfs{STATUS}", "-")
    if pod.journal:
        yield ("bind", "journal", f"rootfs{JOURNAL}", "-")
    yield ("bind", "run/apps", f"rootfs{WORDS}", "ro")
    yield from mounts.records(pod, site.directory, own, _hosts(pod, site.wiring))


def _hosts(pod: PodManifest, wiring: Wiring | None) -> str | None:
    return f"run/{network_records.HOSTS}" if living(pod, wiring) else None


def app_mounts(
    pod: PodManifest,
    app: App,
    directory: PodDir,
    own: tuple[str, ...],
    wiring: Wiring | None,
    kept: Container[str] = (),
) -> Iterator[Record]:
    """What the monitor mounts for one app alone, as instructions that stand for themselves.

    `kept`: `nodes` or `credentials`, which are there already.
    """
    alone = pod._replace(apps=(app,))
    yield ("version", "1")
    yield ("pod", pod.label)
    if pod.userns is not None:
        yield ("userns", str(pod.userns.base), str(pod.userns.size))
    found = (*_roots(alone, directory, own), *mounts.records(alone, directory, own, _hosts(pod, wiring)))
    yield from _mapped(iter(found), pod.userns)
    if "nodes" not in kept:
        yield from _nodes(app)
    if app.confinement.read_only:
        yield ("read-only", app_root(app.name))
    if "credentials" not in kept:
        yield from _credentials(app)
    yield ("exec", "-")


def _roots(pod: PodManifest, directory: PodDir, own: tuple[str, ...]) -> Iterator[Record]:
    for app in pod.apps:
        layers = [str(directory.root.layer(diff_id)) for diff_id in reversed(app.layers)]
        if own and not app.etc_is_link:
            layers.insert(0, "run/identity")
        yield ("overlay", app_root(app.name), f"apps/{app.data}", *layers)


def living(pod: PodManifest, wiring: Wiring | None) -> bool:
    """Names of the pods of a network change while this one runs: then hosts is no file of a layer, which must not."""
    return wiring is not None and pod.names.hosts is Provider.POD


def _devices(pod: PodManifest) -> Iterator[Record]:
    """Nodes of the host's devices that belong to the app's user, and all of them for who is hardly confined."""
    if any(app.confinement.privileged for app in pod.apps):
        yield ("bind", "/dev", f"rootfs{HOST_DEVICES}", "-")
    for app in pod.apps:
        yield from _nodes(app)
        if app.confinement.read_only:
            yield ("read-only", mounts.app_root(app.name))


def _nodes(app: App) -> Iterator[Record]:
    owner = (str(app.user.uid or 0), str(app.user.gid or 0))
    for number, device in enumerate(app.confinement.devices):
        mode = f"{4 * ('r' in device.rights) + 2 * ('w' in device.rights)}00"
        yield ("device", device.source, f"rootfs{DEVICE_NODES}/{app.name}/{number}", mode, *owner)


def encode_records(found: Iterator[Record]) -> bytes:
    """Words end with NUL, records with one more."""
    return b"".join(
        b"".join(word.encode(errors="surrogateescape") + b"\0" for word in record) + b"\0"
        for record in found
    )
