"""PURE. What entering an app needs, written when the pod is rendered, so that `pod exec` parses no manifest."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from stage1.contract import App, PodManifest
from stage1.contract.paths import REAPER
from stage1.contract.values import NamedTuple
from stage1.units import service_name

# The unit that stands for an app while its system call filters are read: the same confinement, a program of ours.
TWIN = "app-twin.service"
TWIN_TARGET = f"[Unit]\nDefaultDependencies=no\nRequires={TWIN}\nAfter={TWIN}\n"
_HEAD = f"""[Unit]
DefaultDependencies=no

[Service]
Type=exec
ExecStart={REAPER} hold
"""
# Settings of a service that say what it runs, on what files, with what resources: none of them makes a filter, and
# some cannot be kept without the app's files. Whatever is not named here is kept: systemd may make a filter of it.
_DROPPED = (
    "Type", "NotifyAccess", "FileDescriptor", "Root", "WorkingDirectory", "Exec", "Remain", "Timeout", "Restart",
    "Success", "Kill", "SendSIG", "Environment", "UnsetEnvironment", "PassEnvironment", "Standard", "TTY", "Bind",
    "TemporaryFileSystem", "LoadCredential", "SetCredential", "Memory", "CPU", "Tasks", "IO", "Limit", "OOM", "Nice",
    "Slice", "Watchdog", "RuntimeMax", "ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "Device", "Delegate",
    "User", "Group", "SupplementaryGroups", "UMask", "IgnoreSIGPIPE", "AmbientCapabilities",
)  # fmt: skip
_NOT_DROPPED = ("MemoryDenyWriteExecute", "UserNamespace")


class Entry(NamedTuple):
    """One app's files below `run/enter/`: the records, and the unit its filters are read from."""

    records: tuple[tuple[str, str], ...]
    twin: bytes


def entries(
    pod: PodManifest, texts: Mapping[str, str], base: Path, environment: tuple[str, ...], filters: Path
) -> Iterator[tuple[str, Entry]]:
    """Every app with its entry; `environment` is systemd-nspawn's, `filters` the directory of read filters."""
    for app in pod.apps:
        twin = twin_unit(texts[service_name(app.name)], (base.name, *environment))
        yield app.name, Entry(tuple(_records(app, filters / cache_name(twin))), twin)


def _records(app: App, filters: Path) -> Iterator[tuple[str, str]]:
    yield ("version", "1")
    yield ("directory", app.workdir)
    yield ("filters", str(filters))
    for assignment in app.env:
        yield ("env", assignment)


def cache_name(twin: bytes) -> str:
    """Where the filters of a unit are kept; the unit lies beside them, so that a name shared by two shows."""
    return f"{zlib.crc32(twin):08x}{zlib.adler32(twin):08x}"


def twin_unit(unit: str, circumstances: tuple[str, ...]) -> bytes:
    """A unit with the confinement of an app and nothing else of it; what else its filters depend on is said first."""
    head = "".join(f"# {text}\n" for text in circumstances)
    return (head + _HEAD + "".join(f"{line}\n" for line in _kept(unit))).encode(errors="surrogateescape")


def _kept(unit: str) -> Iterator[str]:
    section = ""
    for line in unit.split("\n"):
        if line.startswith("["):
            section = line
        key, equals, _ = line.partition("=")
        if section == "[Service]" and equals and not line.startswith("#") and not _is_dropped(key):
            yield line


def _is_dropped(key: str) -> bool:
    return key.startswith(_DROPPED) and not key.startswith(_NOT_DROPPED)
