"""EFFECT. nft(8): whole texts in one transaction."""

from __future__ import annotations

import os
from pathlib import Path

from stage1 import command, resources
from stage1.contract import HostError
from stage1.network import rules
from stage1.network.model import Entry
from stage1.network.registry import Registry, write_whole

_BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-ip6tables")


def program() -> str:
    """Where nft is."""
    places = [*(os.environ.get("PATH") or os.defpath).split(":"), "/usr/sbin", "/sbin"]
    found = next((path for place in places if os.access(path := f"{place}/nft", os.X_OK)), None)
    if found is None:
        raise HostError("nft is not installed", hint="install nftables, or run the pod with --net=host")
    return found


def apply(text: str, registry: Registry) -> None:
    """Carry out a text, all of it or nothing."""
    file = registry.place / f"text.{os.getpid()}.nft"
    file.write_text(text)
    try:
        command.run([program(), "-f", str(file)])
    finally:
        file.unlink()


def apply_or_reload(text: str, registry: Registry, living: list[Entry]) -> None:
    """Carry out a text; where the tables are not as we left them, make them anew first."""
    try:
        apply(text, registry)
    except HostError:
        reload(registry, living)
        apply(text, registry)


def write_repair(registry: Registry) -> None:
    """The text that makes the tables with all networks: for whoever finds them missing."""
    base = resources.template("host/unitpod.nft").read_text()
    write_whole(registry.repair, base + rules.networks(registry.all_networks(), loopback6=leads_loopback6()))


def leads_loopback6() -> bool:
    """False where br_netfilter translates bridged packets, see `rules.networks`."""
    try:
        return _BRIDGED.read_text().strip() == "0"
    except FileNotFoundError:
        return True


def reload(registry: Registry, living: list[Entry]) -> None:
    """Everything anew, as if nobody had touched it; foreign tables are not looked at."""
    write_repair(registry)
    tables = "".join(f"table {name}\ndelete table {name}\n" for name in (rules.TABLE, rules.GUARD))
    apply(tables + registry.repair.read_text() + "".join(map(rules.up, living)), registry)
