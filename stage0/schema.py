"""EFFECT. `python -m stage0.schema`: writes the JSON Schema of what `-f FILE` takes, and the table of its keys.

What a key means is what its option's help says: said once, for the command line, the schema and the page.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stage0.request import AppRequest, PodRequest
from stage1.contract.schema import schema_of

DOCS = Path(__file__).parent.parent / "docs"
PLACE = DOCS / "manifest.schema.json"
KEYS = DOCS / "manifest-keys.md"
ID = "urn:unitpod:manifest:1"
# Keys that are no options.
_OWN = {
    "version": "version of this format: 1",
    "app": "the apps of the pod, at least one",
    "image": "the image the app runs: a name in the store, or a source such as oci:DIR",
    "args": "arguments in place of those the image names after its entrypoint",
}
_EXAMPLES: dict[str, list[Any]] = {
    "image": ["web:1.2", "oci:/images/web:latest"],
    "args": [["--port", "8080"]],
    "env": [{"LANG": "C.UTF-8"}, ["LANG=C.UTF-8"]],
    "after": [["db", "load:finished"]],
    "requires": [["db:ready"]],
    "ready": ["notify", "tcp:8080"],
    "restart": ["on-failure:5", "always"],
    "pre_start": [["/bin/migrate --all"], [["/bin/migrate", "--all"]]],
    "socket": [["http=8080,activated"], ["/run/web/web.sock,mode=0660,owner=web"]],
    "credential": [["db-password=/etc/shop/db-password"], ["token"]],
    "volume": [["/srv/www:/var/www:ro", "data:/var/lib/db"]],
    "exit_policy": ["any-failure", "all", "first", "app:web", "never"],
    "stop_time": ["30s", "2m"],
}


def text() -> str:
    """What the schema's file should hold."""
    found = json.loads(
        schema_of(PodRequest, "A pod as a user asks for it: the manifest of `pod run -f FILE`")
    )
    for part, kind in ((found, PodRequest), (found["$defs"]["AppRequest"], AppRequest)):
        told = meanings(kind)
        for key, value in part["properties"].items():
            value["description"] = told[key]
            if key in _EXAMPLES:
                value["examples"] = _EXAMPLES[key]
    found |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ID}
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def meanings(kind: type[PodRequest | AppRequest]) -> dict[str, str]:
    """What each key means, by its option."""
    from stage0.cli import verb_parser  # noqa: PLC0415
    from stage0.request.arguments import app_parser  # noqa: PLC0415  argparse

    parser = app_parser() if kind is AppRequest else verb_parser("run")
    told = {action.dest: action.help or "" for action in parser._actions}
    return {key: _OWN.get(key) or told[key] for key in kind._fields}


def keys() -> str:
    """What the page of keys should hold."""
    lines = [
        "# Keys of a manifest",
        "",
        "Written by `make schema` from the help of the options; [manifest.md](manifest.md) explains.",
    ]
    for title, kind in (("The pod", PodRequest), ("An app (`app`)", AppRequest)):
        lines += ["", f"## {title}", "", "| key | what |", "|---|---|"]
        lines += [f"| `{key}` | {_cell(what)} |" for key, what in meanings(kind).items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("%%", "%").replace("|", "\\|")


if __name__ == "__main__":
    PLACE.write_text(text())
    KEYS.write_text(keys())
