"""Say all about a tree, so that two can be compared; as a program: the same of layers mounted as an overlay."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

IGNORED = ("trusted.overlay.", "user.overlay.", "user.rootlesscontainers", "user.umoci")


def describe_node(path: str) -> dict:
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    found = {
        "kind": kind,
        "mode": stat.S_IMODE(status.st_mode),
        "owner": [status.st_uid, status.st_gid],
        "mtime": status.st_mtime_ns,
        "xattrs": {
            name: os.getxattr(path, name, follow_symlinks=False).hex()
            for name in sorted(os.listxattr(path, follow_symlinks=False))
            if not name.startswith(IGNORED)
        },
    }
    if kind == stat.S_IFLNK:
        found["target"] = os.readlink(path)
    if kind == stat.S_IFREG:
        found["content"] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        found["size"] = status.st_size
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        found["device"] = status.st_rdev
    return found


def describe(root: Path) -> dict[str, dict]:
    """Every path of a tree, its own root as ""; `first` is the first name of a file that has several."""
    names = [""]
    for directory, directories, files in os.walk(root):
        names += [os.path.relpath(f"{directory}/{name}", root) for name in [*directories, *files]]
    inodes: dict = {}
    found = {}
    for name in sorted(names):
        path = f"{root}/{name}" if name else str(root)
        try:
            status = os.lstat(path)
        except FileNotFoundError:  # overlayfs lists a deletion mark where there is nothing to delete
            continue
        found[name] = describe_node(path)
        if not stat.S_ISDIR(status.st_mode):
            found[name]["first"] = inodes.setdefault((status.st_dev, status.st_ino), name)
    return found


def describe_overlay(layers: list[Path], scratch: Path) -> dict[str, dict]:
    """What the kernel shows for these layers, lowest first; mounted in a child's own mount namespace."""
    for name in ("upper", "work", "merged"):
        (scratch / name).mkdir(parents=True)
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, __file__, str(scratch)]
    done = subprocess.run([*argv, *map(str, layers)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def main(scratch: str, *layers: str) -> None:
    lower = ":".join(reversed(layers))
    options = f"lowerdir={lower},upperdir={scratch}/upper,workdir={scratch}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", f"{scratch}/merged"], check=True)
    found = describe(Path(scratch) / "merged")
    found.pop("")  # the upper directory's own, made by the test
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
