"""EFFECT. Jinja2's door: contexts in, text out; what was rendered before is read back from a cache.

Importing Jinja2 costs more than the rest of `pod run` does before systemd-nspawn (60 ms), and the same app renders to
the same units every time. So the result of a list of jobs is kept with the templates' stamps and all values, and
a second run of the same pod never imports Jinja2. What differs from pod to pod (its UUID, its paths) is therefore
not rendered but filled in afterwards, see `stage1.nspawn`.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from stage1.contract import HostError
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any


class Job(NamedTuple):
    """One text to render: `template` from the search path with `value` under the name `variable`."""

    template: str
    result: str
    variable: str = ""
    value: object = None


def render(jobs: Sequence[Job], search: Sequence[Path], cache: Path | None) -> dict[str, str]:
    """Result name to text for every job; `cache` is a directory, made when needed.

    An entry holds its whole key, so the short name of its file may well be shared by two keys.
    """
    if cache is None:
        return _render(jobs, search)
    key = _key(jobs, search)
    entry = cache / f"{zlib.crc32(key.encode()):08x}.json"
    try:
        found = json.loads(entry.read_bytes())
        if found["key"] == key:
            texts: dict[str, str] = found["texts"]
            return texts
    except (OSError, ValueError, KeyError, TypeError):
        pass
    texts = _render(jobs, search, cache.with_name("compiled"))
    _keep(entry, {"key": key, "texts": texts})
    return texts


def _key(jobs: Sequence[Job], search: Sequence[Path]) -> str:
    """Everything the texts depend on, written out: importing hashlib would cost 5 ms."""
    lines = []
    for path, status in sorted(_find(name, search) for name in {job.template for job in jobs}):
        lines.append(f"{path} {status.st_ino} {status.st_mtime_ns} {status.st_size}")
    return "\n".join([*lines, repr(list(jobs))])


def _find(template: str, search: Sequence[Path]) -> tuple[str, os.stat_result]:
    for directory in search:
        path = directory / template
        try:
            return str(path), path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
    raise HostError(
        f"template {template} is nowhere in {', '.join(map(str, search))}", hint="reinstall unitpod"
    )


def _keep(entry: Path, content: dict[str, Any]) -> None:
    entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = entry.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(content))
    temporary.replace(entry)


def _render(jobs: Sequence[Job], search: Iterable[Path], compiled: Path | None = None) -> dict[str, str]:
    """`compiled`: where templates are kept as Python code, which Jinja2 looks up by their text."""
    import jinja2  # noqa: PLC0415  see the docstring

    if compiled is not None:
        compiled.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(path) for path in search]),
        undefined=jinja2.StrictUndefined,
        finalize=_only_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        bytecode_cache=jinja2.FileSystemBytecodeCache(str(compiled)) if compiled else None,
        autoescape=False,  # noqa: S701  unit files are not HTML; `finalize` is what keeps them safe
    )
    texts = {}
    for job in jobs:
        values = {job.variable: job.value} if job.variable else {}
        try:
            texts[job.result] = _tidy(environment.get_template(job.template).render(values))
        except (
            jinja2.TemplateError,
            TypeError,
            ValueError,
            LookupError,
            AttributeError,
            ArithmeticError,
        ) as error:
            raise HostError(
                f"template {job.template} does not render: {error}",
                hint="check the files in /etc/pod/unit-templates",
            ) from None
    return texts


def _only_escaped(value: Any) -> Any:  # noqa: ANN401  Jinja2 hands over whatever an expression gives
    """Refuse any text that did not go through `stage1.quoting`: nothing reaches a unit by accident."""
    if isinstance(value, Escaped | int) and not isinstance(value, bool):
        return value
    raise TypeError(f"a template printed {value!r}, which is not escaped")


def _tidy(text: str) -> str:
    """At most one empty line in a row, none at the end: conditional blocks leave gaps.

    Only a newline ends a line, as for systemd: splitlines() would make a setting of what follows U+2028 in a path.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if line or (lines and lines[-1]):
            lines.append(line)
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n"
