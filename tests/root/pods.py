"""EFFECT. `pod` as a user has it, in a data root of its own: on this machine, or in a lab.

    def test_a_pod_ends_with_the_status_of_its_app(pods: Pods) -> None:
        assert pods.run("inspect", "--", "print", "hello", "exit", "7", status=7).out == "hello\n"

Text that is not UTF-8 is kept by surrogate escapes, in both directions.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tests.patience import SLOWNESS

REPO = Path(__file__).resolve().parents[2]
IMAGES = REPO / "build" / "images"
POD = Path(sys.executable).with_name("pod")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": SYSTEM_PATH, "HOME": "/root", "LANG": "C.UTF-8"}
PATIENCE = 30.0 * SLOWNESS
# A pod that hangs must fail its test, not the whole session.
LIMIT = 90.0 * SLOWNESS
CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"))
TWO_APPS = (
    *("busybox", "--name", "a", "--", "sleep", "100000"),
    "---",
    *("busybox", "--name", "b", "--", "sleep", "99999"),
)
# What of a data root grows by design.
CACHES = ("images", "layers", "base", "cache", "digested")

Found = TypeVar("Found")
Facts = dict[str, Any]


def eventually(condition: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
    """What the condition says as soon as it is true; a wait in vain fails and says for what."""
    limit = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < limit, f"waited in vain: {what}"
        time.sleep(0.01)
    return found


def shown_on(terminal: int) -> str:
    """All that is shown on the other side of a terminal, until everybody there has closed it."""
    shown = b""
    limit = time.monotonic() + LIMIT
    while select.select([terminal], [], [], max(0, limit - time.monotonic()))[0]:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # EIO: nobody is left
            return shown.decode()
        shown += chunk
    raise AssertionError(f"the terminal is still in use after {LIMIT} s; it shows {shown!r}")


class Place(Protocol):
    """Where the commands run."""

    files: Path

    def argv(self, words: list[str], env: Mapping[str, str]) -> list[str]:
        """Words that run these words there, with this environment and no other."""

    def pid(self, popen: subprocess.Popen[bytes]) -> int:
        """The command itself, as this machine numbers it."""


class Here:
    """This machine."""

    files = Path("/")

    def argv(self, words: list[str], env: Mapping[str, str]) -> list[str]:
        """An environment made from nothing."""
        return ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in env.items()), *words]

    def pid(self, popen: subprocess.Popen[bytes]) -> int:
        """env became the command."""
        return popen.pid


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that has ended; `uuid` is the pod it made, if it made one."""

    argv: tuple[str, ...]
    status: int
    out: str
    err: str
    uuid: str = ""
    more: str = ""

    @property
    def lines(self) -> list[str]:
        """Its standard output."""
        return self.out.splitlines()

    def expect(self, status: int | None) -> Done:
        """Itself, if it ended with this status."""
        said = f"{self.out[-4000:]}\n{self.err[-4000:]}\n{self.more}"
        assert status is None or self.status == status, f"status {self.status} from {self.argv}\n{said}"
        return self


@dataclass(kw_only=True)
class Running:
    """A `pod` command that runs beside the test, its output in files."""

    argv: tuple[str, ...]
    popen: subprocess.Popen[bytes]
    pid: int
    uuid_file: Path
    out_file: Path
    err_file: Path

    @property
    def uuid(self) -> str:
        """The pod it made."""
        return eventually(lambda: text(self.uuid_file).strip(), f"the UUID of {self.argv}")

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return text(self.out_file)

    def prints(self, what: str) -> None:
        """Wait until it has printed something."""
        eventually(lambda: what in self.out or self.popen.poll() is not None, f"{what!r} from {self.argv}")
        assert what in self.out, (
            f"{self.argv} ended with {self.popen.poll()}: {self.out} {text(self.err_file)}"
        )

    def send(self, number: int) -> None:
        """Signal the command."""
        os.kill(self.pid, number)

    def done(self, status: int | None = 0) -> Done:
        """Wait for its end."""
        self.popen.wait(LIMIT)
        return Done(
            argv=self.argv,
            status=self.popen.returncode,
            out=self.out,
            err=text(self.err_file),
            uuid=text(self.uuid_file).strip(),
        ).expect(status)


def text(path: Path) -> str:
    """A file's text, empty if there is none."""
    try:
        return path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        return ""


@dataclass(kw_only=True)
class Pods:
    """A data root and the command that works on it; `scratch` is a directory in the same place."""

    root: Path
    scratch: Path
    place: Place = field(default_factory=Here)
    running: list[Running] = field(default_factory=list)
    count: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)

    def there(self, path: Path | str) -> Path:
        """A path of the place, as this process sees it."""
        return self.place.files / str(path).lstrip("/")

    def argv(self, *words: str | Path, env: Mapping[str, str] | None = None) -> list[str]:
        """The whole command line of `pod WORDS`."""
        environment = {**ENVIRONMENT, "POD_DIR": str(self.root), **self.environment, **(env or {})}
        return self.place.argv([str(POD), *map(str, words)], environment)

    def __call__(
        self,
        *words: str | Path,
        status: int | None = 0,
        input: bytes | None = None,  # noqa: A002 (named as in subprocess.run)
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run `pod WORDS` to its end."""
        done = subprocess.run(
            self.argv(*words, env=env),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
        out, err = (stream.decode(errors="surrogateescape") for stream in (done.stdout, done.stderr))
        return Done(argv=tuple(map(str, words)), status=done.returncode, out=out, err=err).expect(status)

    def run(
        self,
        *words: str | Path,
        status: int | None = 0,
        input: bytes | None = None,  # noqa: A002
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run a pod in the foreground to its end."""
        uuid_file = self.new_path("uuid")
        done = self("run", "--uuid-file", uuid_file, *words, status=None, input=input, env=env)
        uuid = text(self.there(uuid_file)).strip()
        more = "" if done.status == status else self.more(uuid)
        return replace(done, uuid=uuid, more=more).expect(status)

    def more(self, uuid: str) -> str:
        """What a pod's files tell about a failure."""
        files = self.there(self.root).glob(f"pods/*/{uuid or 'none'}/run/**/*")
        wanted = ("console.log", "status/*.json", "result.json")
        return "\n".join(text(path) for path in files if any(path.match(name) for name in wanted))

    def start(self, *words: str | Path, ready: bool = True, **how: Any) -> Running:
        """Run a pod in the foreground beside the test; return when it is ready."""
        uuid_file, out, err = (self.new_path(kind) for kind in ("uuid", "out", "err"))
        started = self.beside("run", "--uuid-file", uuid_file, *words, out=out, err=err, **how)
        started.uuid_file = self.there(uuid_file)
        if ready:
            self.wait_ready(started.uuid)
        else:
            eventually(
                lambda: list(self.there(self.root).glob(f"pods/*/{started.uuid}")), "the pod's directory"
            )
        return started

    def beside(
        self, *words: str | Path, out: Path | None = None, err: Path | None = None, **how: Any
    ) -> Running:
        """Start any `pod` command."""
        files = [self.there(path or self.new_path("stream")) for path in (out, err)]
        how = {"stdin": subprocess.DEVNULL, **how}
        environment = how.pop("env", None)
        with files[0].open("wb") as output, files[1].open("wb") as errors:
            how = {"stdout": output, "stderr": errors, **how}
            popen: subprocess.Popen[bytes] = subprocess.Popen(self.argv(*words, env=environment), **how)
        started = Running(
            argv=tuple(map(str, words)),
            popen=popen,
            pid=self.place.pid(popen),
            uuid_file=Path("/nowhere"),
            out_file=files[0],
            err_file=files[1],
        )
        self.running.append(started)
        return started

    def detach(self, *words: str | Path, status: int = 0) -> str:
        """Start a pod on its own; its UUID."""
        return self("run", "--detach", *words, status=status).out.strip()

    def new_path(self, kind: str) -> Path:
        """A path of the place where nothing is yet."""
        self.count += 1
        return self.scratch / f"{kind}.{self.count}"

    def write(self, name: str, content: str | bytes, mode: int = 0o644) -> Path:
        """A file in the place."""
        path = self.scratch / name
        data = content if isinstance(content, bytes) else content.encode(errors="surrogateescape")
        self.there(path).write_bytes(data)
        self.there(path).chmod(mode)
        return path

    def directory(self, uuid: str) -> Path:
        """A pod's directory, wherever it lies now."""
        found = list(self.there(self.root).glob(f"pods/*/{uuid}"))
        assert len(found) == 1, f"pod {uuid} is in {len(found)} places"
        return found[0]

    def wait_ready(self, uuid: str) -> None:
        """Until every app has started, or the pod is over."""

        def is_ready() -> bool:
            with contextlib.suppress(AssertionError):
                return any(
                    (self.directory(uuid) / "run" / name).exists() for name in ("ready", "result.json")
                )
            return not any(process.popen.poll() is None for process in self.running)

        eventually(is_ready, f"pod {uuid} to be ready")

    def status(self, pod: str) -> Facts:
        """`pod status --json`."""
        facts: Facts = json.loads(self("status", "--json", pod).out)
        return facts

    def results(self, pod: str) -> dict[str, Facts]:
        """The result of each app that has one."""
        return {app["name"]: app["result"] for app in self.status(pod)["apps"] if app["result"]}

    def endings(self, pod: str) -> dict[str, str]:
        """How each app ended, in a few words: `exited 5`, `stopped TERM`."""
        return {name: ending(result) for name, result in self.results(pod).items()}

    def log(self, pod: str, *options: str) -> list[str]:
        """Lines of `pod logs`."""
        return self("logs", *options, pod).lines

    def all(self) -> list[str]:
        """UUIDs of the pods there are."""
        return self("ps", "--all", "--quiet").lines

    def clear(self) -> None:
        """End and remove everything."""
        for process in self.running:
            if process.popen.poll() is None and not text(process.uuid_file):
                with contextlib.suppress(ProcessLookupError):
                    process.send(signal.SIGKILL)
        if left := self.all():
            self("rm", "--force", *left, status=None)
        if self.there(self.root / "volumes").exists():
            self("volume", "prune", status=None)
        for process in self.running:
            with process.popen:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.popen.wait(5)
                process.popen.kill()
        self.running.clear()

    def left(self, *uuids: str) -> list[str]:
        """Traces of pods that are gone: files, names, mounts, cgroups, processes."""
        return [
            *self.left_files(),
            *left_mounts(self.root),
            *left_cgroups(uuids),
            *left_processes(self.root),
        ]

    def left_files(self) -> Iterator[str]:
        """Everything below the data root but caches and the directories of states."""
        root = self.there(self.root)
        for path in root.glob("*"):
            if path.name == "pods":
                yield from (str(left) for state in path.iterdir() for left in state.iterdir())
            elif path.name in {"names", "networks", "userns", "volumes"}:
                yield from map(str, path.iterdir())
            elif path.name not in CACHES:
                yield str(path)


def ending(result: Facts) -> str:
    """A result in a few words."""
    how = result["code"] if result["code"] is not None else result["signal"]
    return result["reason"] if how is None else f"{result['reason']} {how}"


def left_mounts(root: Path) -> list[str]:
    """Mounts below a data root, in the host's table."""
    return [line for line in Path("/proc/1/mountinfo").read_text().splitlines() if f"{root}/" in line]


def groups(pattern: str) -> list[Path]:
    """Control groups of any hierarchy by a pattern; those of others may go while this looks."""
    # Path.glob() fails where a directory goes meanwhile
    found = glob.glob(f"/sys/fs/cgroup/**/{pattern}", recursive=True)  # noqa: PTH207
    return [Path(path) for path in found]


def left_cgroups(uuids: tuple[str, ...]) -> list[str]:
    """Cgroups of pods."""
    return [str(group) for place in CGROUPS for uuid in uuids for group in place.glob(f"pod-{uuid}")]


def left_processes(root: Path) -> Iterator[str]:
    """Processes of ours that name the data root: monitors and systemd-nspawns."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            if f"{root}/pods/" in words:
                yield f"{process.name} {words}"


@contextlib.contextmanager
def scratch_directory(place: Path) -> Iterator[Path]:
    """A directory for a session, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="podtest.", dir=place) as name:
        yield Path(name)


def import_images(pods: Pods, *names: str) -> None:
    """Bring the project's images into the store."""
    for name in names:
        if not (IMAGES / name).is_dir():
            raise AssertionError(f"the image {name} is not built; run `make images`")
        pods("image", "import", f"oci:{IMAGES / name}:latest")
