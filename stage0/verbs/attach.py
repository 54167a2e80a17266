"""EFFECT. `pod attach`: the streams or the terminal of an app that runs."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from functools import partial

from stage0 import entering, finding, handoff
from stage0.pods import lifecycle, logfiles, results, signals
from stage0.pods.lifecycle import Pod
from stage0.pods.watching import Watch
from stage0.running import attaching
from stage0.running.attaching import Attachment, Streams
from stage0.running.detachkeys import DetachKeys
from stage0.settings import Settings
from stage1.contract import ConflictError, PodError, UsageError

_END_OF_TERMINAL = b"i\x04"
_MOST_LINES = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which app, and what goes to and fro."""
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("app", metavar="APP", nargs="?", help="which app; needed where the pod has several")
    parser.add_argument("--no-stdin", action="store_true", help="only look: nothing goes to the app")
    parser.add_argument(
        "--end-input", action="store_true", help="where our input ends, the app's ends too, for good"
    )
    parser.add_argument(
        "--sig-proxy",
        action="store_true",
        help="signals that come for us (Ctrl-C, SIGTERM, ...) go to the app; otherwise they only detach",
    )
    parser.add_argument("-n", "--tail", metavar="LINES", type=int, default=0, help="its last LINES first")
    entering.add_detach_keys(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """End with the app's status when it has ended, with 0 when the keys were pressed."""
    if not 0 <= arguments.tail <= _MOST_LINES:
        raise UsageError(f"--tail {arguments.tail}: no number of lines", hint="give how many to show first")
    keys = entering.key_codes(arguments.detach_keys)
    pod = lifecycle.find(settings.data, arguments.pod)
    if not pod.running:
        raise ConflictError(f"pod {pod.label} is not running", hint="what it printed: `pod logs`")
    app = finding.choose_app(str(pod.directory.path), arguments.app)
    if (result := results.final_result(pod, app)) is not None:
        raise ConflictError(
            f"app {app} has ended with {result['status']}", hint="what it printed: `pod logs --app`"
        )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, Watch() as watch:
        watch.add(pod.directory.status)
        with theirs:
            answer = handoff.ask(pod.directory, "attach", app, descriptors=[theirs.fileno()])
        return _attached(pod, app, answer, arguments, keys, ours, watch)


def _attached(
    pod: Pod,
    app: str,
    answer: str,
    arguments: argparse.Namespace,
    keys: tuple[int, ...],
    client: socket.socket,
    watch: Watch,
) -> int:
    size, inode, takes, kind = answer.split()
    wanted = takes == "input" and not arguments.no_stdin
    raw = wanted and kind == "tty" and os.isatty(0)
    for line in logfiles.last(pod.directory.log(app), int(size), int(inode), arguments.tail):
        out = sys.stdout.buffer if line.stream == b"stdout" else sys.stderr.buffer
        out.write(line.text + b"\n" * line.complete)
        out.flush()
    with attaching.raw_terminal(raw):
        end = b"" if not arguments.end_input else _END_OF_TERMINAL if kind == "tty" else b"e"
        proxy = partial(signals.signal_apps, pod.directory, [app]) if arguments.sig_proxy else None
        attachment = Attachment(client, Streams(wanted, raw, DetachKeys(keys), end, proxy), watch)
        how = attachment.run(lambda: results.final_result(pod, app) is not None)
    if how == "detached":
        sys.stdout.write("\n")
        return 0
    return _status(pod, app)


def _status(pod: Pod, app: str) -> int:
    """The app's own status, or that of the pod which ended around it."""
    result = results.final_result(pod, app)
    if result is not None:
        return int(result["status"])
    if pod.directory.outcome.exists():
        return results.outcome(pod.directory).status
    raise PodError(
        f"app {app} of pod {pod.label} is gone", hint="was it removed, or the pod? see `pod ps --all`"
    )
