"""Archives and OCI layouts for tests, written by Python's tarfile and by hand: not by the code under test."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
MTIME = 1_600_000_000


def member(name: bytes | str, kind: bytes = tarfile.REGTYPE, **fields) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))
    info.type = kind
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.mtime = MTIME
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def file(name, data: bytes = b"data", **fields):
    return member(name, size=len(data), **fields), data


def directory(name, **fields):
    return member(name, tarfile.DIRTYPE, **fields), b""


def symlink(name, target: str, **fields):
    return member(name, tarfile.SYMTYPE, linkname=target, **fields), b""


def hardlink(name, target: str, **fields):
    return member(name, tarfile.LNKTYPE, linkname=target, **fields), b""


def device(name, major: int, minor: int, kind: bytes = tarfile.CHRTYPE, **fields):
    return member(name, kind, devmajor=major, devminor=minor, **fields), b""


def fifo(name, **fields):
    return member(name, tarfile.FIFOTYPE, **fields), b""


def archive(*members, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive of (TarInfo, content) pairs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def xattrs(values: dict[str, bytes]) -> dict[str, str]:
    """`pax_headers` for extended attributes; their bytes must be UTF-8, as tarfile writes text only."""
    return {f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in values.items()}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def write_layout(
    path: Path,
    layers: list[bytes],
    *,
    config: dict | None = None,
    tag: str = "latest",
    compress: bool = True,
    **over,
) -> Path:
    """An OCI layout with one image; `over` replaces fields of the image config document."""
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def blob(data: bytes, media_type: str) -> dict:
        (blobs / digest(data)[7:]).write_bytes(data)
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    packed = [gzip.compress(layer, 1, mtime=0) if compress else layer for layer in layers]
    suffix = "+gzip" if compress else ""
    document = {
        "architecture": ARCHITECTURE,
        "os": "linux",
        "created": "2024-01-02T03:04:05Z",
        "config": config or {},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
    } | over
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(document).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(data, "application/vnd.oci.image.layer.v1.tar" + suffix) for data in packed],
    }
    entry = blob(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    index = path / "index.json"
    others = json.loads(index.read_text())["manifests"] if index.exists() else []
    index.write_text(json.dumps({"schemaVersion": 2, "manifests": [*others, entry]}))
    return path
