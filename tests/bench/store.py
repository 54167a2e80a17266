"""EFFECT. An image of 10,000 files and 300 MB on its way into a store, and a store of many images."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

from tests.bench.images import write_archive, write_layout
from tests.bench.measure import BenchError, run, timed
from tests.bench.podman import Podman
from tests.bench.pull import LAYERS, write_image

IMAGES = 500
LOOP = 'tree=$0; number=0; for archive; do {} -f "$archive" -C "$tree/$number"; number=$((number + 1)); done'


class Shelf:
    """The image in several forms, and what is done with them."""

    def __init__(self, scratch: Path, program: list[str], podman: Podman) -> None:
        self.place = scratch / "store"
        self.program = program
        self.podman = podman

    def prepare(self) -> None:
        """Make the image, off the clock."""
        self.place.mkdir()
        write_image(self.place / "layout")
        write_archive(self.place / "layout", self.place / "layout.tar")
        (self.place / "plain").mkdir()
        blobs = self.place / "layout/blobs/sha256"
        (entry,) = json.loads((self.place / "layout/index.json").read_text())["manifests"]
        layers = json.loads((blobs / entry["digest"][7:]).read_text())["layers"]
        for number, layer in enumerate(layers):
            plain = gzip.decompress((blobs / layer["digest"][7:]).read_bytes())
            (self.place / f"plain/{number}.tar").write_bytes(plain)

    def import_image(self) -> float:
        """pod: verify, copy, unpack, and write all of it to disk."""
        data = self.fresh("data")
        return timed([*self.program, "--dir", data, "image", "import", f"oci:{self.place}/layout:latest"])

    def load(self) -> float:
        """podman: the same layers from an archive."""
        return self.by_podman("load", "--quiet", f"--input={self.place}/layout.tar")

    def pull(self) -> float:
        """podman: the same layers from the same layout."""
        return self.by_podman("pull", "--quiet", f"oci:{self.place}/layout:latest")

    def by_podman(self, *words: str) -> float:
        """Run podman on an empty storage."""
        os.sync()
        try:
            return timed(self.podman.argv(*words, root="load"), env=self.podman.environment)
        finally:
            run(self.podman.argv("rmi", "--all", "--force", root="load"), env=self.podman.environment)

    def umoci(self) -> float:
        """skopeo and umoci: into a layout of its own, then into one tree."""
        copy, tree = self.fresh("copy"), self.fresh("tree")
        os.sync()
        return timed(
            ["skopeo", "copy", "--quiet", f"oci:{self.place}/layout:latest", f"oci:{copy}:latest"]
        ) + timed(["umoci", "unpack", "--image", f"{copy}:latest", tree])

    def unpack(self) -> float:
        """The confined child of `pod` alone, on plain layers one after the other."""
        return self.by_tar([sys.executable, "-m", "tests.bench.unpack"])

    def tar(self) -> float:
        """GNU tar on the same."""
        return self.by_tar(["sh", "-ec", LOOP.format("tar --numeric-owner --xattrs -xp")])

    def bsdtar(self) -> float:
        """libarchive on the same."""
        if shutil.which("bsdtar") is None:
            raise BenchError("bsdtar is not installed")
        return self.by_tar(["sh", "-ec", LOOP.format("bsdtar --numeric-owner -xp")])

    def by_tar(self, words: list[str]) -> float:
        """Unpack each layer into a directory of its own, in one process or one after the other."""
        tree = self.fresh("tree")
        for number in range(len(LAYERS)):
            (tree / str(number)).mkdir(parents=True)
        os.sync()
        return timed([*words, tree, *(self.place / f"plain/{number}.tar" for number in range(len(LAYERS)))])

    def fresh(self, name: str) -> Path:
        """A path at which nothing is; what was there goes off the clock."""
        shutil.rmtree(self.place / name, ignore_errors=True)
        os.sync()
        return self.place / name

    def fill(self) -> None:
        """Put many images into one store: one is imported, the others are copies of what tells of it."""
        data = self.fresh("many")
        write_layout(self.place / "small", 1)
        run(
            [
                *self.program,
                "--dir",
                data,
                "image",
                "import",
                f"oci:{self.place}/small:latest",
                "--name",
                "many:0",
            ]
        )
        index = json.loads((data / "images/index.json").read_text())
        (entry,) = index["manifests"]
        text = (data / f"digested/{entry['digest'][7:]}.json").read_text()
        for number in range(1, IMAGES):
            digest = hashlib.sha256(str(number).encode()).hexdigest()
            (data / f"digested/{digest}.json").write_text(text.replace(entry["digest"][7:], digest))
            names = {"org.opencontainers.image.ref.name": f"many:{number}"}
            index["manifests"].append({**entry, "digest": f"sha256:{digest}", "annotations": names})
        (data / "images/index.json").write_text(json.dumps(index))

    def list(self) -> float:
        """List them."""
        words = [*self.program, "--dir", self.place / "many", "image", "ls"]
        seconds = timed(words)
        if len(run(words).splitlines()) != IMAGES + 1:
            raise BenchError(f"not {IMAGES} images were listed")
        return seconds
