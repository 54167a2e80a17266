"""EFFECT. Everything that is told of how a pod and its apps are doing, as one object."""

from __future__ import annotations

from typing import Any

from stage0.pods import lifecycle, limits, reach, results


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
