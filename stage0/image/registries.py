"""EFFECT. Where this host's configuration of registries lies, as containers-registries.conf(5) has it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from stage0.image.reference import ShortNames, read_short_names
from stage1.contract.errors import UsageError

_SYSTEM = Path("/etc/containers")
_CACHE = Path("/var/cache/containers/short-name-aliases.conf")
_NAME = "registries.conf"


def short_names(environment: Mapping[str, str]) -> ShortNames:
    """What the configuration says of short names; a file that is not there says nothing."""
    import tomllib  # noqa: PLC0415 (only where a short name is looked up)

    documents: list[tuple[str, object]] = []
    for path in configuration_files(environment):
        try:
            documents.append((str(path), tomllib.loads(path.read_text("utf-8"))))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (ValueError, OSError) as error:
            raise UsageError(
                f"{path} cannot be read: {error}", hint="see containers-registries.conf(5)"
            ) from None
    return read_short_names(documents)


def configuration_files(environment: Mapping[str, str]) -> list[Path]:
    """Every file that may be there, the weakest first."""
    chosen = environment.get("CONTAINERS_REGISTRIES_CONF") or environment.get("REGISTRIES_CONFIG_PATH")
    home = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/root")) / ".config")
    own = home / "containers"
    main = own / _NAME if (own / _NAME).is_file() else _SYSTEM / _NAME
    folders = [_SYSTEM / f"{_NAME}.d", own / f"{_NAME}.d"]
    return [
        Path(chosen) if chosen else main,
        *([] if chosen else [path for folder in folders for path in _drop_ins(folder)]),
        _CACHE,
    ]


def _drop_ins(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if name.endswith(".conf")]
    except (FileNotFoundError, NotADirectoryError):
        return []
