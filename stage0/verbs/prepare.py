"""EFFECT. `pod prepare`: make a pod, to be started later, also after a reboot."""

from __future__ import annotations

import argparse
import os
import sys

from stage0.making import making
from stage0.parsing import Parser
from stage0.pods import lifecycle
from stage0.request.arguments import add_pod_options, request_of
from stage0.settings import Settings
from stage1.contract import State

USAGE = (
    "pod prepare [POD OPTIONS] IMAGE [APP OPTIONS] [-- ARGS] [--- IMAGE …]\n"
    "       pod prepare [POD OPTIONS] -f FILE"
)


def add_arguments(parser: Parser) -> None:
    """The same as of `run`, without what belongs to running."""
    add_pod_options(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the UUID; the pod survives a power cut from then on."""
    request = request_of(arguments, os.environ, settings.data.cache)
    with making(request, settings, arguments.uuid_file, quiet=arguments.quiet) as (pod, preparing, lock):
        os.sync()  # volumes may hold thousands of files; one call for all, before the name that says it is complete
        lifecycle.move(preparing, State.PREPARED, durable=True)
    os.close(lock)
    sys.stdout.write(f"{pod.uuid}\n")
    return 0
