"""EFFECT. `pod status`: how a pod and each of its apps is doing."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from stage0 import show
from stage0.pods import lifecycle, limits, reach
from stage0.pods.status import describe, status_of
from stage0.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pod."""
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("--json", action="store_true", help="one object")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """A few lines on the pod and a table of its apps."""
    facts = status_of(lifecycle.find(settings.data, arguments.pod))
    sys.stdout.write(show.as_json(facts) if arguments.json else _text(facts))
    return 0


# No result was written; `pod events` and the apps' own results tell what was seen until then.
_LOST = "nobody saw its end: its monitor was killed, or the host lost power"


def _text(facts: dict[str, Any]) -> str:
    lines = [f"pod      {facts['uuid']}" + (f" ({facts['name']})" if facts["name"] else "")]
    lines.append(f"state    {facts['state']}{', ready' if facts['ready'] else ''}")
    if facts["status"] is not None:
        lines.append(
            f"status   {facts['status']} ({facts['reason']}{' by ' + facts['by'] if facts['by'] else ''})"
        )
    message = _LOST if facts["reason"] == "lost" else facts["message"]
    lines += [f"reason   {show.printable(message)}"] if message else []
    moments = (("created", "created"), ("started", "started_at"), ("ended", "ended_at"))
    lines += [f"{word:<7}  {_moment(facts[key])}" for word, key in moments if facts[key]]
    lines += reach.sentences(facts["network"])
    lines += _limits(facts)
    rows = [
        (app["name"], app["state"], _words(app), str(app["pid"] or "-"), app["image"])
        for app in facts["apps"]
    ]
    return "\n".join(lines) + "\n\n" + show.table(("APP", "STATE", "RESULT", "PID", "IMAGE"), rows)


def _moment(stamp: str) -> str:
    return f"{stamp[:19].replace('T', ' ')} UTC ({show.ago(stamp)} ago)"


def _limits(facts: dict[str, Any]) -> list[str]:
    owners = [("", facts), *((f"{app['name']}: ", app) for app in facts["apps"])]
    lines = [f"limits   {who}{limits.sentence(owner['limits'])}" for who, owner in owners if owner["limits"]]
    return [*lines, *(f"without  {reason}" for reason in facts["unenforced"])]


def _words(app: dict[str, Any]) -> str:
    """What a running app says of itself, else how it ended."""
    return show.printable(app["message"]) if app["pid"] and app["message"] else describe(app["result"])
