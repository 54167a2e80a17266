"""EFFECT. A machine emulated by qemu: boots a tree with this project on a second disk, runs tests, powers off."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from tests.vm.tree import CACHE, PROJECT, PYTHON, REPO, Tree, make_disk, run

MEMORY = "4096"
SILENCE_LIMIT = 900.0
# What protects a processor costs an emulated one much, and no test sees it.
PROCESSOR = "max,-smap,-smep,-umip,-pku,-la57"
COMMAND_LINE = (
    "root=/dev/nvme0n1 rootfstype=ext4 rw console=ttyS0 panic=-1 systemd.unified_cgroup_hierarchy=1"
    " systemd.show_status=1 systemd.gpt_auto=0 mitigations=off init_on_alloc=0 random.trust_cpu=1 nowatchdog"
)
# Of the modules that label processes a kernel runs one; without a word Debian's has AppArmor.
MODULES = {
    "apparmor": "audit=0",
    "selinux": "audit=1 audit_backlog_limit=65536 security=selinux enforcing=0",
    "selinux-enforcing": "audit=1 audit_backlog_limit=65536 security=selinux enforcing=1",
}
INSTALLED = b"system_u:object_r:lib_t:s0"  # what a Python package below /usr has
Line = dict[str, Any]


class MachineError(Exception):
    """The machine did not come up, or fell silent."""


class Machine:
    """One boot; iterate over it for what the tests in it report."""

    def __init__(self, tree: Tree, tests: Sequence[str], module: str = "apparmor") -> None:
        self._tree = tree
        self._tests = tests
        self._command_line = f"{COMMAND_LINE} {MODULES[module]}"
        self._scratch = tempfile.TemporaryDirectory(prefix="boot.", dir=CACHE)
        self._place = Path(self._scratch.name)
        self._console = self._place / "console.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Iterator[Line]:
        project = self._place / "project"
        copy_project(project, self._tests)
        compile_project(project, self._tree.root)
        label(project, INSTALLED)
        make_disk(project, self._place / "project.disk", "1G")
        shutil.rmtree(project)
        with (self._place / "qemu.log").open("wb") as errors:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._argv()],
                stdin=subprocess.PIPE,  # at its end qemu would close the other direction too
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "TMPDIR": str(self._place)},
            )
        return self._lines()

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        if self._console.exists():
            shutil.copy(self._console, CACHE / "console.log")  # of the last boot, for whoever asks why
        self._scratch.cleanup()

    def _argv(self) -> list[str]:
        return [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", PROCESSOR, "-smp", "2", "-m", MEMORY,
            "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-snapshot",
            "-kernel", str(self._tree.kernel), "-append", self._command_line,
            # The kernel has the driver of the first disk built in and needs no initrd; of two such it would number
            # now the one, now the other first.
            "-drive", f"file={self._tree.disk},if=none,format=raw,id=root", "-device", "nvme,serial=root,drive=root",
            "-drive", f"file={self._place / 'project.disk'},if=virtio,format=raw",
            "-serial", f"file:{self._console}",
            "-chardev", "stdio,id=results,signal=off", "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=results,name=results",
        ]  # fmt: skip

    def _lines(self) -> Iterator[Line]:
        assert self._process is not None
        assert self._process.stdout is not None
        for text in read_lines(self._process.stdout, SILENCE_LIMIT):
            line: Line = json.loads(text)
            yield line
            if "status" in line:
                return
        raise MachineError(f"the machine ended or fell silent:\n{self._tail()}")

    def _tail(self) -> str:
        try:
            said = self._console.read_text(errors="replace").splitlines()[-60:]
        except OSError:
            said = []
        errors = (self._place / "qemu.log").read_text(errors="replace").splitlines()[-10:]
        return "\n".join([*errors, *said])


def read_lines(stream: IO[bytes], patience: float) -> Iterator[bytes]:
    """Lines as they come; ends at the end of the stream, or when nothing came for too long."""
    rest = b""
    while select.select([stream], [], [], patience)[0]:
        data = os.read(stream.fileno(), 65536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def copy_project(target: Path, tests: Sequence[str]) -> None:
    """What git knows of the project, its C programs, its images, and which tests are wanted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPO,
        check=True,
        capture_output=True,
    ).stdout.decode()
    programs = [f"stage1/native/bin/{name}" for name in native_programs()]
    for name in [*filter(None, listed.split("\0")), *programs]:
        if (REPO / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, target / name, follow_symlinks=False)
    shutil.copytree(REPO / "build" / "images", target / "build" / "images", symlinks=True)
    (target / ".venv").symlink_to(Path(PYTHON).parents[1])  # for `make install`
    (target / "build" / "vm").mkdir()
    (target / "build" / "vm" / "wanted").write_text("\n".join(tests) + "\n")


def compile_project(project: Path, root: Path) -> None:
    """Byte code by the Python of the tree, in a chroot of it: there it takes seconds, in the machine minutes."""
    python = f"{PYTHON} -m"
    script = (
        f'mount --bind "$1" "$2{PROJECT}" && exec env -u PYTHONDONTWRITEBYTECODE chroot "$2" sh -c "cd {PROJECT} &&'
        f" {python} compileall -q stage0 stage1 tests && xargs -d '\\n' {python} pytest -q --collect-only"
        f' -p no:cacheprovider <build/vm/wanted"'
    )
    run("unshare", "--mount", "sh", "-c", script, "compile", str(project), str(root))


def label(top: Path, context: bytes) -> None:
    """One label of SELinux for all files; a kernel without SELinux takes no notice of it."""
    for path in (top, *top.rglob("*")):
        os.setxattr(path, "security.selinux", context, follow_symlinks=False)


def native_programs() -> list[str]:
    """What is compiled and so unknown to git."""
    return sorted(path.name for path in (REPO / "stage1" / "native" / "bin").iterdir())


def main() -> None:
    """`python -m tests.vm.machine TEST…`: for trying one thing by hand."""
    from tests.vm.tree import ensure

    machine = Machine(ensure(), sys.argv[1:], os.environ.get("POD_VM_LSM", "apparmor"))
    start = time.monotonic()
    with machine as lines:
        for line in lines:
            text = line.pop("text", "")
            print(
                f"{time.monotonic() - start:6.1f}",
                line,
                text if line.get("outcome") != "passed" else "",
                flush=True,
            )


if __name__ == "__main__":
    main()
