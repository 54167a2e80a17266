"""EFFECT. `pod cp`: two processes and a tar stream between them, each locked into one root.

The one reads below the app's root or a directory of the host, the other writes below the other: whatever a link or a
name in the stream says, it leads nowhere else. Which ids a file has is what each sees from its own user namespace.
In an app's root nothing may be loaded any more, neither a module nor a library: it would be the app's.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NoReturn

from stage0 import privileges
from stage0.running import transfer
from stage1.contract import PodError
from stage1.contract.values import NamedTuple

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
# describing files, and no other right of root
_KEPT = (
    privileges.CHOWN, privileges.DAC_OVERRIDE, privileges.DAC_READ_SEARCH, privileges.FOWNER, privileges.FSETID,
    privileges.SETFCAP,
)  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)


class Root(NamedTuple):
    """A directory to be locked into: its descriptor, and those of the namespaces it is seen from (None: ours).

    `called` is what comes before its paths where people are told of them.
    """

    descriptor: int
    mounts: int | None = None
    users: int | None = None
    called: str = ""


class CopyError(PodError):
    """One of the two processes failed."""


def root_of_process(pid: int, link: str = "root") -> Root:
    """The root of a process (or its `cwd`), as that process sees it."""
    users = Path(f"/proc/{pid}/ns/user")
    same = os.path.samestat(users.stat(), Path("/proc/self/ns/user").stat())
    return Root(
        descriptor=os.open(f"/proc/{pid}/{link}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC),
        mounts=os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC),
        users=None if same else os.open(users, os.O_RDONLY | os.O_CLOEXEC),
    )


def root_of_host(path: Path) -> Root:
    """A directory of the host."""
    return Root(
        descriptor=os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), called=str(path).rstrip("/")
    )


def is_same_directory(root: Root, path: str) -> bool:
    """Whether a root is the directory at a path."""
    return os.path.samestat(os.fstat(root.descriptor), Path(path).stat())


@contextlib.contextmanager
def holder(argv: list[str]) -> Iterator[int]:
    """A program that says `ready` and stays until its input ends; its pid."""
    (quiet, ends), (heard, says) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(quiet, 0)
            os.dup2(says, 1)
            os.execv(argv[0], argv)  # noqa: S606  no shell wanted
        finally:
            os._exit(127)  # what comes after is the parent's
    os.close(quiet)
    os.close(says)
    try:
        if os.read(heard, 16) != b"ready\n":
            raise CopyError("the pod's files cannot be mounted", hint="the line before says why")
        yield child
    finally:
        os.close(ends)
        os.close(heard)
        os.waitpid(child, 0)


def copy(source: Root | int, path: str, target: Root | int, place: transfer.Place, name: str | None) -> None:
    """From a root, or a descriptor with a tar stream, to the other; `name` is the top's in a stream for somebody."""
    ours, theirs = os.pipe()
    running = []
    if isinstance(source, Root):
        reader = _start(source, theirs, lambda stream: transfer.pack(path, stream, name), "wb")
        running.append((source, *reader))
    if isinstance(target, Root):
        stream = ours if isinstance(source, Root) else source
        writer = _start(target, stream, lambda file: transfer.unpack(file, place), "rb")
        running.append((target, *writer))
    os.close(theirs)
    if isinstance(target, int):
        with contextlib.suppress(BrokenPipeError):
            _pass_on(ours, target)
    os.close(ours)
    said = [_finish(*one) for one in running]
    # a stream that ends early is the other side's fault
    for text in said:
        if text:
            raise CopyError(text, hint="check the path; of a tree, what was copied before it is there")


def _pass_on(source: int, target: int) -> None:
    while data := os.read(source, 1 << 20):
        while data:
            data = data[os.write(target, data) :]


def _start(root: Root, stream: int, act: Callable[[IO[bytes]], None], mode: str) -> tuple[int, int]:
    """A child locked into the root; its pid, and where it says what went wrong."""
    heard, says = os.pipe()
    child = os.fork()
    if child == 0:
        _child(root, stream, says, act, mode)
    os.close(says)
    return child, heard


def _child(root: Root, stream: int, says: int, act: Callable[[IO[bytes]], None], mode: str) -> NoReturn:
    status = 1
    try:
        lock_into(root, (stream, says))
        with open(stream, mode, closefd=True) as file:
            act(file)
        status = 0
    except BrokenPipeError:
        status = 0  # the other side says why it went away
    except (OSError, tarfile.TarError, PodError, EOFError) as error:
        text = error.message if isinstance(error, PodError) else _words(error)
        os.write(says, text.encode(errors="replace")[:4000])
    finally:
        os._exit(status)


def _words(error: Exception) -> str:
    """An error of the kernel's without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _finish(root: Root, child: int, heard: int) -> str:
    """What it complained about; that the other side went away is the other side's complaint."""
    with open(heard, "rb") as file:
        text = file.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if text.startswith("/"):
        return f"{root.called}{text}"
    return text or ("a copying process failed" if status != 0 else "")


def lock_into(root: Root, keep: tuple[int, ...]) -> None:
    """Make the root all there is for this process, for good, with the rights that describing files needs."""
    parent = os.getppid()
    _load_everything()
    if root.mounts is not None:
        privileges.check(_libc.setns(root.mounts, _CLONE_NEWNS), "join the mount namespace")
    if root.users is not None:
        privileges.check(_libc.setns(root.users, _CLONE_NEWUSER), "join the user namespace")
    os.fchdir(root.descriptor)
    os.chroot(".")
    os.chdir("/")
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.umask(0)
    privileges.close_all_but((0, 1, 2, *keep))
    privileges.keep_capabilities(_KEPT)
    privileges.die_with_parent(parent)


def _load_everything() -> None:
    """What would be loaded later would come from the app: names of users are not asked for, modules not found."""
    for name in ("ascii", "utf-8", "latin-1"):
        codecs.lookup(name)
    # its way to the C library's user database, and so to the plug-ins that the app's nsswitch.conf names
    for name in ("pwd", "grp"):
        setattr(tarfile, name, None)
    sys.path.clear()
    sys.meta_path.clear()
    sys.path_hooks.clear()
