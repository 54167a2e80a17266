"""EFFECT. `pod status`: how a pod and each of its apps is doing."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from stage0 import show
from stage0.pods import lifecycle, limits, reach, results
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


def status_of(pod: lifecycle.Pod) -> dict[str, Any]:
    """Every fact of the status, for JSON and for people."""
    manifest: dict[str, Any] = lifecycle.read_manifest(pod.directory)
    ended = results.outcome(pod.directory) if pod.word == "exited" else None
    times = results.times(pod, ended)
    apps = results.app_states(pod)
    of_apps = {app.get("name"): limits.limits_of(app) for app in manifest.get("apps", ())}
    return {
        "uuid": pod.uuid,
        "name": manifest.get("name"),
        "state": results.state_word(pod),
        "ready": pod.word == "running" and pod.directory.ready.exists(),
        "status": ended.status if ended else None,
        "reason": ended.reason if ended else None,
        "by": ended.by if ended else None,
        "message": ended.message if ended else None,
        "leader": results.live_process(pod.directory.leader) if pod.word == "running" else None,
        "created": manifest.get("created"),
        **times._asdict(),
        "network": reach.reach(pod),
        "limits": limits.limits_of(manifest),
        "unenforced": results.unenforced(pod.directory),
        "apps": [
            {
                "name": app.name,
                "state": app.state,
                "pid": app.pid,
                "image": app.image,
                "digest": app.digest,
                "result": app.result,
                "message": app.message,
                "limits": of_apps.get(app.name, {}),
            }
            for app in apps
        ],
    }


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


def describe(result: dict[str, Any] | None) -> str:
    """A result in a few words."""
    if not result:
        return "-"
    how = (
        f"exit {result['code']}"
        if result.get("code") is not None
        else f"SIG{result['signal']}"
        if result.get("signal")
        else ""
    )
    match result.get("reason"):
        case "exited" | "signal":
            words = how
        case reason:
            words = f"{str(reason).replace('-', ' ')}{f' ({how})' if how else ''}"
    runs = result.get("runs", 1)
    return f"{words}, run {runs}" if runs > 1 else words
