"""EFFECT. An image of many files, written as an OCI layout."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

PER_DIRECTORY = 100
FILE_SIZE = 1024
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def layer(files: int) -> bytes:
    """A plain tar archive of so many files in directories of a hundred."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number in range(files):
            if number % PER_DIRECTORY == 0:
                folder = tarfile.TarInfo(f"data/{number // PER_DIRECTORY}")
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(folder)
            entry = tarfile.TarInfo(f"data/{number // PER_DIRECTORY}/{number}")
            entry.size = FILE_SIZE
            archive.addfile(entry, io.BytesIO(f"{number:>{FILE_SIZE}}".encode()))
    return buffer.getvalue()


def add_blob(layout: Path, data: bytes, kind: str) -> dict[str, str | int]:
    """Store a blob under its digest; the descriptor that points to it."""
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(data)
    return {
        "mediaType": f"application/vnd.oci.image.{kind}",
        "digest": f"sha256:{digest}",
        "size": len(data),
    }


def write_layout(layout: Path, files: int) -> None:
    """Write the image, tag `latest`; uncompressed, so that unpacking is what gets measured."""
    (layout / "blobs" / "sha256").mkdir(parents=True)
    packed = add_blob(layout, layer(files), "layer.v1.tar")
    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Cmd": ["/data/0/0"]},
        "rootfs": {"type": "layers", "diff_ids": [packed["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add_blob(layout, json.dumps(config).encode(), "config.v1+json"),
        "layers": [packed],
    }
    entry = add_blob(layout, json.dumps(manifest).encode(), "manifest.v1+json")
    named = {**entry, "annotations": {"org.opencontainers.image.ref.name": "latest"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def write_archive(layout: Path, archive: Path) -> None:
    """Pack a layout into one file, as `podman load` takes it."""
    with tarfile.open(archive, "w") as packed:
        for path in sorted(layout.iterdir()):
            packed.add(path, arcname=path.name)
