"""EFFECT. What enters an app has what the app has, by the kernel's own account of both; and nothing leads back."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.root.native import BIN
from tests.root.pods import PATIENCE, Pods, eventually

pytestmark = pytest.mark.root

# Of /proc/PID/status what differs between any two processes: names, numbers, memory, what they happen to wait for.
OWN = re.compile(
    r"(Name|State|Tgid|Ngid|Pid|PPid|NStgid|NSpid|NSpgid|NSsid|FDSize|Threads|Vm\w+|Rss\w+|HugetlbPages|"
    r"CoreDumping|SigQ|SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt|x86_\w+|\w+_ctxt_switches):"
)
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "user", "uts")
PODS = {
    "root": (),
    "user": ("--user", "app"),
    "number": ("--user", "4321:8765"),
    "words": ("--env", "A=\x01", "--env", "B=two words"),
}


class Process:
    """The kernel's account of a process."""

    def __init__(self, pid: int) -> None:
        self.path = Path(f"/proc/{pid}")

    def read(self, name: str) -> str:
        return (self.path / name).read_text()

    def account(self) -> dict[str, object]:
        return {
            "status": [line for line in self.read("status").splitlines() if not OWN.match(line)],
            "limits": self.read("limits"),
            "cgroup": self.read("cgroup"),
            "environ": sorted((self.path / "environ").read_bytes().split(b"\0")),
            "namespaces": {name: os.readlink(self.path / "ns" / name) for name in NAMESPACES},
            "root": file_id(self.path / "root"),
            "cwd": file_id(self.path / "cwd"),
            "oom": self.read("oom_score_adj"),
            "maps": self.read("uid_map") + self.read("gid_map"),
            "nice": self.read("stat").rpartition(")")[2].split()[16],
        }


def file_id(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def app_of(pods: Pods) -> Process:
    return Process(pods.status("it")["apps"][0]["pid"])


def entered(pods: Pods, *options: str) -> Process:
    """A process that entered the app and waits there."""
    name = pods("exec", "-d", *options, "it", "/inspect", "pause").out.strip()
    (found,) = (one for one in json.loads(pods("session", "ls", "--json", "it").out) if one["id"] == name)
    return Process(found["pid"])


def sets(process: Process) -> dict[str, int]:
    return {name: int(value, 16) for name, value in re.findall(r"Cap(\w+):\s+(\w+)", process.read("status"))}


@pytest.mark.parametrize("userns", ["auto", "host"])
@pytest.mark.parametrize("options", PODS.values(), ids=PODS)
def test_an_entered_process_has_what_the_app_has(pods: Pods, options: tuple[str, ...], userns: str) -> None:
    pods.detach("--name", "it", "--userns", userns, "inspect", *options, "--", "pause")
    assert entered(pods).account() == app_of(pods).account()


def test_an_entered_process_with_a_terminal_has_what_the_app_has(pods: Pods) -> None:
    pods.detach("--name", "it", "inspect", "--", "pause")
    wanted = app_of(pods).account()
    found = entered(pods, "-t").account()
    assert isinstance(wanted["environ"], list)
    wanted["environ"] = sorted([*wanted["environ"], b"TERM=xterm"])
    assert found == wanted


@pytest.mark.parametrize("userns", ["auto", "host"])
@pytest.mark.parametrize("options", [PODS["root"], PODS["user"]], ids=["root", "user"])
def test_system_calls_end_as_in_the_app(pods: Pods, options: tuple[str, ...], userns: str) -> None:
    wanted = pods.run("--userns", userns, "inspect", *options, "--", "syscall", "all").lines
    pods.detach("--name", "it", "--userns", userns, "inspect", *options, "--", "pause")
    assert pods("exec", "it", "/inspect", "syscall", "all").lines == wanted


def test_capabilities_are_not_given_back_by_entering(pods: Pods) -> None:
    """CVE-2019-10144: rkt's enter gave every capability."""
    pods.detach("--name", "it", "inspect", "--", "pause")
    assert sets(entered(pods)) == sets(app_of(pods))
    pods("rm", "-f", "it")
    pods.detach("--name", "it", "inspect", "--user", "app", "--", "pause")
    assert sets(entered(pods))["Eff"] == 0


def test_the_system_call_filter_is_there(pods: Pods) -> None:
    """CVE-2019-10145: rkt's enter left the filter off."""
    pods.detach("--name", "it", "inspect", "--", "pause")
    said = dict(line.split() for line in pods("exec", "it", "/inspect", "syscall", "all").lines)
    assert {said[name] for name in ("mount", "unshare-mount", "bpf", "ptrace") if name in said} == {"EPERM"}
    assert re.search(r"Seccomp:\s+2\n", entered(pods).read("status"))


def test_the_cgroup_is_the_apps(pods: Pods) -> None:
    """CVE-2019-10147: rkt's enter left the process outside of the app's limits."""
    pods.detach("--name", "it", "inspect", "--", "pause")
    found = entered(pods).read("cgroup")
    assert found == app_of(pods).read("cgroup")
    assert "app-inspect.service" in found


def kept_filters(pods: Pods) -> Path:
    """The file that whoever enters the app reads its system call filters from."""
    (record,) = pods.directory(pods.status("it")["uuid"]).glob("run/enter/busybox")
    return Path(os.fsdecode(record.read_bytes().partition(b"\0\0filters\0")[2].partition(b"\0")[0]))


@contextmanager
def entering(pods: Pods, *argv: str | Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The keeper, and the process of `enter` that it started, which waits: what it reads is a FIFO meanwhile."""
    pods("exec", "it", "true")  # the filters are there
    filters = kept_filters(pods)
    content, aside = filters.read_bytes(), filters.with_name("aside")
    filters.rename(aside)
    os.mkfifo(filters)
    try:
        with subprocess.Popen(argv) as keeper:
            try:
                feed(filters, content)  # to the keeper
                (child,) = eventually(lambda: children(keeper.pid), "enter")
                eventually(lambda: not same_program(keeper.pid, child), "its execution")
                yield keeper, child
                feed(filters, content)
                assert keeper.wait(PATIENCE) == 0
            finally:
                keeper.kill()
    finally:
        aside.replace(filters)


def same_program(one: int, other: int) -> bool:
    return Path(f"/proc/{one}/exe").samefile(f"/proc/{other}/exe")


def feed(fifo: Path, content: bytes) -> None:
    """As soon as somebody reads; it may take less than a pipe holds at once."""

    def opened() -> int:
        with suppress(OSError):
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        return 0

    descriptor = eventually(opened, f"a reader of {fifo}")
    os.set_blocking(descriptor, True)
    assert os.write(descriptor, content) == len(content)
    os.close(descriptor)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_what_joins_runs_from_a_file_that_cannot_be_written(pods: Pods) -> None:
    """CVE-2019-5736: through /proc/PID/exe a container wrote to the host's runc."""
    pods.detach("--name", "it", "--userns", "host", "busybox", "--", "sleep", "100000")
    with entering(pods, *pods.argv("exec", "it", "true")) as (keeper, child):
        program = os.open(f"/proc/{child}/exe", os.O_RDONLY)
        assert file_id(Path(f"/proc/self/fd/{program}"))[1] == (BIN / "enter").stat().st_ino
        assert Path(f"/proc/{keeper.pid}/exe").readlink().name == "keeper"
        assert Path(f"/proc/{child}/environ").read_bytes() == b""
    with pytest.raises(OSError, match="Read-only file system"):
        os.open(f"/proc/self/fd/{program}", os.O_WRONLY)
    os.close(program)


def test_a_program_that_names_the_helper_as_its_interpreter_gains_nothing(pods: Pods) -> None:
    """CVE-2019-5736 from inside: the app keeps trying while its own `#!/proc/self/exe` is executed."""
    before = [hashlib.sha256((BIN / name).read_bytes()).digest() for name in ("enter", "keeper")]
    pods.detach("--name", "it", "--userns", "host", "busybox", "--", "sleep", "100000")
    evil = "printf '#!/proc/self/exe\\n' > /tmp/evil; chmod 755 /tmp/evil"
    pods("exec", "it", "sh", "-c", evil)
    catcher = "while :; do for p in /proc/[0-9]*; do echo x >> $p/exe; done; done 2> /dev/null"
    name = pods("exec", "-d", "it", "sh", "-c", catcher).out.strip()
    for _ in range(10):
        assert pods("exec", "it", "/tmp/evil", status=None).status != 0
    pods("session", "stop", "--time", "100ms", "it", name)
    after = [hashlib.sha256((BIN / name).read_bytes()).digest() for name in ("enter", "keeper")]
    assert after == before


def test_where_mounts_cannot_be_cloned_a_sealed_copy_in_memory_joins(pods: Pods, tmp_path: Path) -> None:
    pods.detach("--name", "it", "--userns", "host", "busybox", "--", "sleep", "100000")
    unbindable = f'mount --bind {BIN} {tmp_path}; mount --make-unbindable {tmp_path}; exec "$@"'
    directory = pods.directory(pods.status("it")["uuid"])
    words = (
        "unshare",
        "--mount",
        "sh",
        "-c",
        unbindable,
        "sh",
        tmp_path / "keeper",
        directory,
        "busybox",
        "true",
    )
    with entering(pods, *words) as (_, child):
        assert os.readlink(f"/proc/{child}/exe").startswith("/memfd:enter")
        with pytest.raises(OSError, match=r"Operation not permitted|Permission denied|Text file busy"):
            os.open(f"/proc/{child}/exe", os.O_WRONLY)
        program = os.open(f"/proc/{child}/exe", os.O_RDONLY)
    with pytest.raises(OSError, match=r"Operation not permitted|Permission denied"):
        os.write(os.open(f"/proc/self/fd/{program}", os.O_RDWR), b"x")
    os.close(program)


def test_another_user_has_no_more_than_the_bounding_set(pods: Pods) -> None:
    pods.detach("--name", "it", "inspect", "--user", "app", "--", "pause")
    bounding = sets(app_of(pods))["Bnd"]
    root = entered(pods, "--user", "0")
    assert sets(root)["Eff"] & ~bounding == 0
    assert re.search(r"NoNewPrivs:\s+1\n.*Seccomp:\s+2\n", root.read("status"), re.DOTALL)
    other = entered(pods, "--user", "12:34")
    assert sets(other) == {"Inh": 0, "Prm": 0, "Eff": 0, "Bnd": bounding, "Amb": 0}
    assert ids(pods, "12:34") == (12, 34, [34])
    assert ids(pods, "12") == (12, 0, [0])
    assert ids(pods, "app") == ids(pods, "1000") == (1000, 1000, [1000, 2000, 2001])
    assert "no user nobody-here" in pods("exec", "--user", "nobody-here", "it", "/inspect", status=125).err


def ids(pods: Pods, user: str) -> tuple[int, int, list[int]]:
    """User, group and groups of a command that was entered as this user."""
    said = json.loads(pods("exec", "--user", user, "it", "/inspect", "report").out)
    return said["uid"], said["gid"], said["groups"]


def test_a_capability_is_added_within_the_bounding_set_only(pods: Pods) -> None:
    pods.detach("--name", "it", "inspect", "--user", "app", "--", "pause")
    added = sets(entered(pods, "--cap-add", "net_raw"))
    assert added["Eff"] == added["Amb"] == 1 << 13
    refused = pods("exec", "--cap-add", "SYS_ADMIN", "it", "/inspect", status=125)
    assert "bounding set" in refused.err
    assert "is no capability" in pods("exec", "--cap-add", "NONE", "it", "/inspect", status=125).err


def test_privileged_is_more_than_the_app_and_says_so(pods: Pods) -> None:
    pods.detach("--name", "it", "inspect", "--user", "app", "--", "pause")
    root = entered(pods, "--privileged", "--cap-add", "SYS_ADMIN")
    assert sets(root)["Eff"] & 1 << 21
    assert re.search(r"NoNewPrivs:\s+0\n.*Seccomp:\s+0\n", root.read("status"), re.DOTALL)
    assert "more than the app may" in pods("exec", "--help").out


def test_nothing_of_the_hosts_is_open_in_an_entered_process(pods: Pods) -> None:
    pods.detach("--name", "it", "inspect", "--", "pause")
    process = entered(pods)
    assert sorted(os.listdir(process.path / "fd")) == ["0", "1", "2"]


def test_filters_are_read_once_for_each_confinement_and_never_from_the_app(pods: Pods) -> None:
    kept = pods.root / "cache/filters"
    shutil.rmtree(kept, ignore_errors=True)
    pods.detach("--name", "it", "inspect", "--", "pause")
    app = app_of(pods)
    switches = re.findall(r"\w+_ctxt_switches:\s+(\d+)", app.read("status"))
    pods("exec", "it", "/inspect")
    first = {path.name: path.stat().st_mtime_ns for path in kept.iterdir()}
    pods("exec", "it", "/inspect")
    assert {path.name: path.stat().st_mtime_ns for path in kept.iterdir()} == first
    assert len(first) == 2
    # a traced process would have woken up
    assert re.findall(r"\w+_ctxt_switches:\s+(\d+)", app.read("status")) == switches
    assert pods.all() == [Path(pods.directory(pods.status("it")["uuid"])).name]


def test_filters_that_are_not_the_apps_are_refused(pods: Pods) -> None:
    pods.detach("--name", "it", "inspect", "--", "pause")
    pods("exec", "it", "/inspect")
    files = [path for path in (pods.root / "cache/filters").iterdir() if not path.name.endswith("~twin")]
    for path in files:
        whole = path.read_bytes()
        for damaged in (b"", whole[:20], whole + b"x", b"x" + whole[1:]):
            path.write_bytes(damaged)
            said = pods("exec", "it", "/inspect", status=None)
            assert said.status == 125, said
            assert "damaged" in said.err
        path.unlink()
    pods("exec", "it", "/inspect")


def test_the_users_file_of_an_app_leads_nowhere_else(pods: Pods) -> None:
    pods.detach("--name", "it", "busybox", "--", "sleep", "100000")
    script = "rm /etc/passwd; ln -s /proc/1/root/etc/passwd /etc/passwd"
    pods("exec", "it", "sh", "-c", script)
    assert "no user root" in pods("exec", "--user", "root", "it", "id", status=125).err
    pods("exec", "it", "sh", "-c", "rm /etc/passwd; mkfifo /etc/passwd")
    assert "no user root" in pods("exec", "--user", "root", "it", "id", status=125).err
    pods(
        "exec",
        "it",
        "sh",
        "-c",
        "rm /etc/passwd; echo 'me:x:77:88::/home/me:' > /x; ln -s ../../../x /etc/passwd",
    )
    assert pods("exec", "--user", "me", "it", "sh", "-c", "id -u; id -g; echo $HOME").lines == [
        "77",
        "88",
        "/home/me",
    ]
