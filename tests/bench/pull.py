"""EFFECT. A registry on loopback with an image of many files, and the contestants that pull and unpack it."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import platform
import random
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.bench.images import ARCHITECTURES, add_blob
from tests.bench.measure import BenchError, run, timed
from tests.bench.pod import Pod
from tests.bench.podman import Podman

NAME = "many:latest"
# Files and megabytes of each layer: 10,000 and 300 in all, the largest layer first, as in most images.
LAYERS = ((4000, 120), (3000, 80), (1500, 50), (1000, 30), (500, 20))
FILES_A_DIRECTORY = 50
PATIENCE = 30.0


class Pulling:
    """The registry, and one call for each contestant; every first pull begins with nothing."""

    def __init__(self, scratch: Path, pod: Pod, podman: Podman) -> None:
        self.scratch = scratch / "pull"
        self.pod, self.podman = pod, podman
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{probe.getsockname()[1]}"
        self.registry: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the image and serve it."""
        for program in ("docker-registry", "skopeo", "umoci"):
            if shutil.which(program) is None:
                raise BenchError(f"{program} is not installed")
        self.scratch.mkdir()
        write_image(self.scratch / "layout")
        configuration = self.scratch / "registry.yml"
        configuration.write_text(
            f"version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.scratch}/registry}}}}\nhttp: {{addr: '{self.host}'}}\n"
        )
        self.registry = subprocess.Popen(
            ["docker-registry", "serve", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()
        run(
            [
                "skopeo",
                "copy",
                "-q",
                "--dest-tls-verify=false",
                f"oci:{self.scratch}/layout:latest",
                self.address,
            ]
        )

    @property
    def address(self) -> str:
        """The image as skopeo and podman call it."""
        return f"docker://{self.host}/{NAME}"

    def _wait(self) -> None:
        host, _, port = self.host.partition(":")
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return
            time.sleep(0.05)
        raise BenchError("the registry does not answer")

    def by_pod(self) -> float:
        """Pull into an empty data root."""
        with self._empty("pod") as data:
            return timed(self._pull(data))

    def by_podman(self) -> float:
        """Pull into an empty storage."""
        try:
            return timed(
                self.podman.argv("pull", "--quiet", "--tls-verify=false", self.address, root="pull"),
                env=self.podman.environment,
            )
        finally:
            run(self.podman.argv("rmi", "--all", "--force", root="pull"), env=self.podman.environment)

    def by_umoci(self) -> float:
        """Copy with skopeo, then unpack with umoci."""
        with self._empty("umoci") as place:
            place.mkdir()
            copied = timed(
                ["skopeo", "copy", "-q", "--src-tls-verify=false", self.address, f"oci:{place}/layout:1"]
            )
            return copied + timed(["umoci", "unpack", "--image", f"{place}/layout:1", place / "bundle"])

    def again_by_pod(self) -> float:
        """Pull what is here already."""
        data = self.scratch / "again"
        if not data.exists():
            run(self._pull(data))
        return timed(self._pull(data))

    def again_by_skopeo(self) -> float:
        """Ask the registry what the name means now."""
        return timed(["skopeo", "inspect", "--no-tags", "--tls-verify=false", self.address])

    def contestants(self) -> tuple[dict[str, partial[float]], dict[str, partial[float]]]:
        """Of the first pull, and of the second."""
        first = {
            "pod": partial(self.by_pod), "podman": partial(self.by_podman), "skopeo+umoci": partial(self.by_umoci)
        }  # fmt: skip
        return first, {"pod": partial(self.again_by_pod), "skopeo": partial(self.again_by_skopeo)}

    def close(self) -> None:
        """End the registry."""
        if self.registry is not None:
            self.registry.kill()
            self.registry.wait()

    def _pull(self, data: Path) -> list[str]:
        words = ["image", "pull", "--quiet", "--tls-verify=false", f"{self.host}/{NAME}"]
        return [*self.pod.program, "--dir", str(data), *words]

    @contextlib.contextmanager
    def _empty(self, name: str) -> Iterator[Path]:
        place = self.scratch / name
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def write_image(layout: Path) -> None:
    """Write the image as a layout, its layers compressed; the same bytes each time."""
    (layout / "blobs" / "sha256").mkdir(parents=True)
    source = random.Random(7)
    pool = _content(source, 8 << 20)
    archives = [_archive(source, pool, number, *shape) for number, shape in enumerate(LAYERS)]
    diff_ids = [add_blob(layout, data, "layer")["digest"] for data in archives]
    for digest in diff_ids:  # only the compressed ones are part of the image
        (layout / "blobs" / "sha256" / str(digest)[7:]).unlink()
    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Cmd": ["/usr/0-0/0"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add_blob(layout, json.dumps(config).encode(), "config.v1+json"),
        "layers": [
            add_blob(layout, gzip.compress(data, 6, mtime=0), "layer.v1.tar+gzip") for data in archives
        ],
    }
    entry = add_blob(layout, json.dumps(manifest).encode(), "manifest.v1+json")
    named = {**entry, "annotations": {"org.opencontainers.image.ref.name": "latest"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _content(source: random.Random, size: int) -> bytes:
    """Text and noise, so that compression makes about two thirds of it."""
    words = [
        bytes(source.choices(b"abcdefghijklmnopqrstuvwxyz", k=source.randint(2, 9))) for _ in range(4000)
    ]
    parts, length = [], 0
    while length < size:
        parts.append(
            source.randbytes(512) if source.random() < 0.3 else b" ".join(source.choices(words, k=120))
        )
        length += len(parts[-1])
    return b"".join(parts)


def _archive(source: random.Random, pool: bytes, layer: int, files: int, megabytes: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number in range(files):
            folder = f"usr/{layer}-{number // FILES_A_DIRECTORY}"
            if number % FILES_A_DIRECTORY == 0:
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
            entry = tarfile.TarInfo(f"{folder}/{number}")
            entry.size = int(megabytes * 1e6 / files * source.uniform(0.2, 1.8))
            start = source.randrange(len(pool) - entry.size)
            archive.addfile(entry, io.BytesIO(pool[start : start + entry.size]))
    return buffer.getvalue()
