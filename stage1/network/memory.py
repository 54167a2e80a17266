"""EFFECT. The network of a pod that runs, as its start wrote it down; and the names that others call the pod by."""

from __future__ import annotations

import json

from stage1.contract import PodDir, PodManifest
from stage1.network import names
from stage1.network.drivers.private import pod_names
from stage1.network.model import Namespace, Wiring, entry_from, entry_to
from stage1.network.neighbours import tell
from stage1.network.records import FACTS, HOSTS, RESOLV
from stage1.network.registry import Registry, write_whole


def remembered(pod: PodManifest, directory: PodDir) -> Wiring | None:
    """What `wire` gave when the pod was started; None if it has no network of its own."""
    try:
        entry = entry_from(json.loads((directory.run / FACTS).read_bytes()))
    except FileNotFoundError:
        return None
    found = {record[0]: record[1:] for record in _records(directory)}
    namespace = _namespace(found.get("netns", ["new"]))
    nft, _, _, repair = found.get("rules", ["", "", "", ""])
    return Wiring(
        entry,
        namespace,
        sysctls=() if namespace else pod.sysctls,
        hosts=(directory.run / HOSTS).read_text(),
        resolv=(directory.run / RESOLV).read_text(),
        nft=nft,
        repair=repair,
        registered=found.get("unlink", [""])[0],
    )


def _records(directory: PodDir) -> list[list[str]]:
    text = directory.launch.read_bytes().decode(errors="surrogateescape")
    return [record.split("\0") for record in text.split("\0\0")[:-1]]


def _namespace(words: list[str]) -> Namespace | None:
    if words[0] == "new":
        return None
    return Namespace(words[0], *(int(number) for number in words[1:]))


def rename(pod: PodManifest, directory: PodDir) -> None:
    """Tell the pod's own apps and the others on its networks which apps it has now."""
    registry = Registry()
    with registry.locked():
        before = registry.entry(pod.uuid)
        if before is None or before.joined or not before.names:
            return
        entry = before._replace(names=pod_names(pod))
        if entry == before:
            return
        registry.write(entry)
        write_whole(directory.run / FACTS, json.dumps(entry_to(entry), indent=1) + "\n")
        living, _ = registry.entries()
        apps = [app.name for app in pod.apps]
        own = names.own_lines(entry, pod.hostname, apps)
        old = names.own_lines(
            before, pod.hostname, [name for name in before.names if name not in _fixed(pod)]
        )
        _rewrite(directory, old, own)
        tell([entry if one.uuid == entry.uuid else one for one in living], entry)


def _fixed(pod: PodManifest) -> set[str]:
    return {pod.hostname, *([pod.name] if pod.name else [])}


def _rewrite(directory: PodDir, old: str, new: str) -> None:
    """In place: the file is mounted in the apps, and another one would not be seen there."""
    path = directory.run / HOSTS
    text = path.read_text()
    if old in text:
        with path.open("r+") as file:
            file.write(text.replace(old, new, 1))
            file.truncate()
