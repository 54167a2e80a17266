"""EFFECT. Unpack plain archives with the confined child of `pod`: as a program, for the benchmark."""

from __future__ import annotations

import sys
from pathlib import Path

from stage0.image.policy import Limits
from stage0.image.streams import read_chunks
from stage0.image.unpack import unpack


def main(tree: str, *archives: str) -> None:
    """Feed each archive to a child in a directory of its own."""
    for number, archive in enumerate(archives):
        with Path(archive).open("rb", buffering=0) as stream:
            unpack(Path(tree) / str(number), read_chunks(stream), Limits())


if __name__ == "__main__":
    main(*sys.argv[1:])
