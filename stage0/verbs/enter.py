"""EFFECT. `pod enter`: a shell, or a command, inside an app or in the pod's own root."""

from __future__ import annotations

import os

from stage0 import entering
from stage0.verbs import exec as exec_verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from stage0.settings import Settings

USAGE = "pod enter [OPTION …] POD [COMMAND [ARGUMENT …]]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of `pod exec`."""
    exec_verb.add_arguments(parser)


def run_words(words: list[str], settings: Settings) -> int | None:
    """With a command the same as `pod exec`; without one a shell, with a terminal where there is one."""
    request = entering.parse(words)
    if request is None:
        return None
    if not request.command:
        # the pod's own root has no shell, nor anything else one would want there
        tools = request.host_tools or request.whole_pod
        shell = "/bin/bash" if tools and os.access("/bin/bash", os.X_OK) else "/bin/sh"
        request = request._replace(
            command=(shell,), interactive=True, tty=request.tty or os.isatty(0), host_tools=tools
        )
    return exec_verb.enter(request, settings)
