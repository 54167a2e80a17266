"""EFFECT. Where the systemd of pods comes from: this host, or another system's tree that POD_BASE_TREE names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from stage1.contract import HostError
from stage1.contract.values import NamedTuple

VARIABLE = "POD_BASE_TREE"
SYSTEMD = "/usr/lib/systemd/systemd"
_LOADERS = ("lib64/ld-linux-*.so.*", "lib/ld-linux-*.so.*")
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")


class Tree(NamedTuple):
    """A system's files; the host's own are at `/`. Paths go in and come out as seen from inside."""

    root: Path

    @property
    def is_host(self) -> bool:
        """True for the system that runs here."""
        return self.root == Path("/")

    def find(self, path: str) -> Path:
        """A path of the tree, as it is reached from here."""
        return self.root / path.lstrip("/")

    def shared_objects(self, program: str) -> Iterator[str]:
        """Every shared object a program needs, the dynamic loader among them, as ldd(1) lists them."""
        from stage1 import command  # noqa: PLC0415  once a systemd

        argv = ["ldd", program] if self.is_host else [*self._loader(), "--list", str(self.find(program))]
        for line in command.run(argv).splitlines():
            path = next((word for word in reversed(line.split()) if word.startswith("/")), None)
            if path:
                yield "/" + str(Path(path).relative_to(self.root))

    def libraries(self, name: str) -> list[str]:
        """Where a library lies that systemd loads by dlopen(3), which ldd cannot see."""
        for directory in map(self.find, _LIBRARIES):
            if found := sorted([*directory.glob(name), *directory.glob(f"*-linux-gnu*/{name}")]):
                return ["/" + str(path.relative_to(self.root)) for path in found]
        return []

    def systemd_version(self) -> str:
        """What `systemd --version` of the tree prints."""
        from stage1 import command  # noqa: PLC0415  see above

        return command.run([*self._loader(), str(self.find(SYSTEMD)), "--version"])

    def _loader(self) -> list[str]:
        """The tree's own loader, told to look nowhere else: this host's C library may be too old or too new."""
        loader = next((path for pattern in _LOADERS for path in sorted(self.root.glob(pattern))), None)
        if loader is None:
            raise HostError(
                f"{self.root} has no dynamic loader", hint=f"{VARIABLE} names a system with glibc"
            )
        plain = [
            path
            for directory in map(self.find, _LIBRARIES)
            for path in (directory, *directory.glob("*-linux-gnu*"))
        ]
        places = [str(path) for place in plain for path in (place, place / "systemd") if path.is_dir()]
        return [str(loader), "--library-path", ":".join(places)]


def chosen() -> Tree:
    """The tree that pods boot from; HostError if POD_BASE_TREE names something else."""
    name = os.environ.get(VARIABLE)
    if not name:
        return Tree(Path("/"))
    tree = Tree(Path(name).resolve())
    if not tree.find(SYSTEMD).is_file():
        raise HostError(
            f"{VARIABLE}={name}: no systemd in it", hint="name the root directory of a system with systemd"
        )
    return tree


def stamp() -> str:
    """Changes with the systemd that pods boot, where it is not the host's."""
    tree = chosen()
    return "" if tree.is_host else f"{tree.root} {tree.find(SYSTEMD).stat().st_mtime_ns}"
