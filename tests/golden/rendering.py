"""EFFECT. From a case's `pod.json` to the exact files below `run/`, as text that people can compare.

A case is a directory: `pod.json`, `expected/` and, if the host is not the usual one, `facts.json` with the facts
that differ; `wiring.json` is the network that the host gave the pod. `UPDATE_GOLDEN=1 pytest tests/golden` writes
`expected/` anew; read the difference before you commit it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from stage1 import plan
from stage1.contract import DataRoot, PodManifest, State, codec
from stage1.host import HostFacts
from stage1.network.model import Namespace, Wiring, entry_from
from stage1.render import render
from stage1.resources import template_path
from tests.samples import FACTS, FILES

HERE = Path(__file__).parent
ROOT = DataRoot(Path("/var/lib/pod"))
BASE = ROOT.base / "KEY"
CASES = sorted(name for name in os.listdir(HERE) if (HERE / name / "pod.json").exists())


def manifest(case: str) -> PodManifest:
    """The pod of a case."""
    path = HERE / case / "pod.json"
    return codec.decode(path.read_bytes(), where=str(path))


def facts(case: str) -> HostFacts:
    """The host of a case."""
    path = HERE / case / "facts.json"
    differing = json.loads(path.read_bytes()) if path.exists() else {}
    return FACTS._replace(**{key: tuple(v) if isinstance(v, list) else v for key, v in differing.items()})


def wiring(case: str) -> Wiring | None:
    """What the host gave the pod of a case: a network of its own."""
    path = HERE / case / "wiring.json"
    if not path.exists():
        return None
    found = json.loads(path.read_bytes())
    place = Namespace(**found["namespace"]) if "namespace" in found else None
    return Wiring(
        **{
            **found,
            "entry": entry_from(found["entry"]),
            "namespace": place,
            "sysctls": tuple(found["sysctls"]),
        }
    )


def rendered(case: str) -> dict[str, str]:
    """Everything stage1 would write for a case: path to text, links as `-> TARGET`."""
    pod, host = manifest(case), facts(case)
    texts = render(plan.jobs(pod, host, keep_unit=host.booted), template_path()[-1:], None)
    found = plan.launch_plan(
        pod, plan.Site(ROOT.pod(State.RUN, pod.uuid), BASE, host, FILES, wiring(case)), texts
    )
    readable = dict(_readable(path, content) for path, content in found.files.items())
    return readable | {path: f"-> {target}" for path, target in found.links.items()}


def _readable(path: str, content: bytes) -> tuple[str, str]:
    """Blocks of NUL-terminated words become JSON lists, one record a line; all else is text already."""
    if path == "launch":
        return "launch.json", "".join(_words(record) for record in content.split(b"\0\0")[:-1])
    if path.startswith("apps/"):
        return f"{path}.json", _words(content.removesuffix(b"\0"))
    return path, content.decode()


def _words(block: bytes) -> str:
    return json.dumps([word.decode(errors="surrogateescape") for word in block.split(b"\0")]) + "\n"


def expected(case: str) -> dict[str, str]:
    """What the case says must come out."""
    top = HERE / case / "expected"
    return {
        str(path.relative_to(top)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for directory, _, names in os.walk(top)
        for path in (Path(directory, name) for name in names)
    }


def write(top: Path, files: Mapping[str, str]) -> None:
    """Make a directory anew with these files and links."""
    shutil.rmtree(top, ignore_errors=True)
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text.removeprefix("-> "))
        else:
            path.write_text(text)
