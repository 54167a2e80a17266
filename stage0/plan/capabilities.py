"""PURE. `--cap-add`, `--cap-drop`, `--cap-only`: capabilities(7) by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stage1.contract import UsageError

# What a root app may do to its own root and no more; the set that container users know as the default.
DEFAULT = (
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
)  # fmt: skip
ALL = tuple(sorted({
    *DEFAULT, "CAP_AUDIT_CONTROL", "CAP_AUDIT_READ", "CAP_BLOCK_SUSPEND", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
    "CAP_DAC_READ_SEARCH", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_LEASE", "CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE", "CAP_NET_ADMIN", "CAP_NET_BROADCAST", "CAP_PERFMON", "CAP_SYSLOG", "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT", "CAP_SYS_MODULE", "CAP_SYS_NICE", "CAP_SYS_PACCT", "CAP_SYS_PTRACE", "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_WAKE_ALARM",
}))  # fmt: skip


def chosen(
    only: Sequence[str] | None, add: Sequence[str], drop: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All that an app may have, and of these the ones that were asked for by name or `all`.

    First `only` in place of the default, then `drop`, then `add`: `--cap-drop all --cap-add CHOWN` leaves one. A name
    in both is a mistake, not an order.
    """
    added, dropped = _named(add, "--cap-add"), _named(drop, "--cap-drop")
    asked = added if only is None else (*_named(only, "--cap-only"), *added)
    if both := {name for name in added if name in dropped and not (_is_all(add) or _is_all(drop))}:
        raise UsageError(f"{min(both)} is both added and dropped", hint="leave one of them out")
    base = set(DEFAULT if only is None else _named(only, "--cap-only"))
    left = (base | set(added)) - set(dropped) if _is_all(add) else (base - set(dropped)) | set(added)
    return tuple(sorted(left)), tuple(sorted(left & set(asked)))


def _is_all(names: Iterable[str]) -> bool:
    return any(word.lower() == "all" for name in names for word in name.split(","))


def _named(texts: Iterable[str], option: str) -> tuple[str, ...]:
    """`net_raw`, `CAP_NET_RAW`, `all`, `none`; several with commas between them."""
    found: list[str] = []
    for word in (word.strip() for text in texts for word in text.split(",")):
        name = word.upper() if word.upper().startswith("CAP_") else f"CAP_{word.upper()}"
        if word.lower() == "all":
            found += ALL
        elif name in ALL:
            found.append(name)
        elif word.lower() != "none":
            raise UsageError(
                f"{option}={word}: no such capability",
                hint="a name of capabilities(7), with or without CAP_, or all",
            )
    return tuple(found)
