"""EFFECT. One file a verb: `add_arguments(parser)` and `run(arguments, settings) -> exit status`."""

import sys


def warn(text: str) -> None:
    """Tell what is no error, before the pod prints anything."""
    sys.stderr.write(f"pod: {text}\n")
    sys.stderr.flush()
