"""Reaper and monitor around a real systemd: a pod directory written by hand after the contract, and nothing else."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.root.native import Pod, program, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

PROGRAMS = ("/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd-executor", "/usr/bin/systemctl")
LIBRARIES = ("libmount.so.1", "libseccomp.so.2", "libselinux.so.1", "libapparmor.so.1")
UNITS = {
    "shutdown.target": "",
    "systemd-exit.service": "Requires=shutdown.target\nAfter=shutdown.target\nSuccessAction=exit-force",
    "exit.target": "Requires=systemd-exit.service\nAfter=systemd-exit.service\nAllowIsolate=yes",
    "halt.target": "Requires=pod-stop.service\nAllowIsolate=yes",
    "pod-stop.service": "[Service]\nType=oneshot\nExecStart=/pod/bin/reaper stop outside",
}


def copy_with_libraries(base: Path, source: str) -> None:
    """One file of the host's system, and what it links to, at the same path."""
    listed = subprocess.run(["ldd", source], capture_output=True, text=True, check=True).stdout
    for name in {source, *re.findall(r"(/\S+) \(0x", listed)}:
        place = base / name.lstrip("/")
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, place)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest root that boots this host's systemd, with one static shell."""
    base = tmp_path_factory.mktemp("base")
    for name in (
        "usr/bin",
        "usr/lib",
        "usr/lib64",
        "proc",
        "sys",
        "dev",
        "run",
        "tmp",
        "etc/systemd/system",
        "pod/bin",
    ):
        (base / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (base / name).symlink_to(f"usr/{name}")
    for name in PROGRAMS:
        if Path(name).exists():
            copy_with_libraries(base, name)
    for name in LIBRARIES:
        for place in Path("/usr/lib").glob(f"*-linux-gnu/{name}"):
            copy_with_libraries(base, str(place))
    (base / "usr/lib/systemd/systemd-shutdown").symlink_to("/pod/bin/reaper")
    (base / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (base / "etc/group").write_text("root:x:0:\n")
    (base / "etc/os-release").write_text("ID=test\n")
    (base / "etc/machine-id").touch()
    shutil.copy("/bin/busybox", base / "bin/busybox")
    for name in ("sh", "sleep", "echo", "cat", "wc"):
        (base / "bin" / name).symlink_to("busybox")
    return base


class SystemdPod:
    """A pod directory with units by hand."""

    def __init__(self, pod: Pod, base: Path) -> None:
        self.pod, self.base = pod, base
        self.units = pod.path / "run/units"
        self.names: list[str] = []
        self.policy: list[str] = []
        for name in ("run/units", "run/status", "run/streams", "base/upper", "base/work"):
            (pod.path / name).mkdir(parents=True)
        for unit, text in UNITS.items():
            self.write(unit, text)
        for name in ("kexec", "poweroff", "reboot", "ctrl-alt-del"):
            (self.units / f"{name}.target").symlink_to("exit.target" if name == "kexec" else "halt.target")

    def write(self, unit: str, text: str) -> None:
        (self.units / unit).write_text(f"[Unit]\nDefaultDependencies=no\n{text}\n")

    def app(
        self, name: str, script: str = "", *, unit: str = "", service: str = "", **how: str
    ) -> SystemdPod:
        """One app whose program is the shell, or `program`."""
        words = {
            "restart": "no",
            "role": "main",
            "stdin": "none",
            "type": "exec",
            "program": "/bin/sh",
            **how,
        }
        (self.pod.path / f"run/{name}.sh").write_text(script)
        reaper = f"/pod/bin/reaper --app-root / --program {words['program']}"
        stdin = f"file:/pod/streams/{name}.in" if words["stdin"] == "stream" else "null"
        self.write(
            f"app-{name}.service",
            f"Conflicts=shutdown.target\nBefore=shutdown.target\nOnFailure=reaper-{name}.service\n{unit}\n"
            f"[Service]\nType={words['type']}\nRootDirectory=/\nRootDirectoryStartOnly=yes\nRestart={words['restart']}\n"
            f"ExecStart={words['program']} /pod/scripts/{name}.sh\nExecStopPost=+{reaper} run {name}\n"
            f"StandardInput={stdin}\nStandardOutput=file:/pod/streams/{name}.out\n"
            f"StandardError=file:/pod/streams/{name}.err\nTimeoutStopSec=3\n{service}",
        )
        self.write(
            f"reaper-{name}.service",
            f"Before=shutdown.target\n[Service]\nType=oneshot\nExecStart={reaper} final {name}",
        )
        self.pod.app(name, stdin=words["stdin"])
        self.pod.add("bind", f"run/{name}.sh", f"rootfs/pod/scripts/{name}.sh", "ro")
        self.names.append(name)
        self.policy.append(f"app {name} {words['restart']} {words['role']}")
        return self

    def ready_to_run(self, policy: str = "any-failure") -> Pod:
        """Writes what is left to write."""
        wanted = " ".join(f"app-{name}.service" for name in self.names)
        self.write("default.target", f"Wants={wanted}\nAfter={wanted}")
        (self.pod.path / "run/etc").mkdir()
        (self.pod.path / "run/etc/policy").write_text("\n".join([f"policy {policy}", *self.policy]) + "\n")
        for name in ("systemd", "unified"):
            group = Path("/sys/fs/cgroup") / name
            if group.is_dir():
                self.pod.records.insert(0, ["cgroup", group / f"reaper-test-{os.getpid()}"])
        self.pod.records.insert(0, ["bind", program("reaper"), "rootfs/pod/bin/reaper", "ro"])
        self.pod.records.insert(0, ["overlay", "rootfs", "base", self.base])
        self.pod.add("bind", "run/units", "rootfs/etc/systemd/system", "ro")
        self.pod.add("bind", "run/etc", "rootfs/pod/etc", "ro")
        for name in ("status", "streams"):
            self.pod.add("bind", f"run/{name}", f"rootfs/pod/{name}", "-")
        options = (
            "--register=no",
            "--keep-unit",
            "--notify-ready=yes",
            "--console=read-only",
            "--link-journal=no",
        )
        return self.pod.supervise(
            "/usr/bin/systemd-nspawn", "--quiet", "--boot", "--machine=test", "--directory=rootfs", *options,
            "--resolv-conf=off", "--timezone=off", "--", "--show-status=0", "--log-level=err", "--log-target=console",
        )  # fmt: skip

    def record(self, app: str) -> dict[str, Any]:
        value = json.loads(self.pod.read(f"run/status/{app}.json"))
        assert isinstance(value, dict)
        return value


@pytest.fixture
def real(tmp_path: Path, base: Path) -> Iterator[SystemdPod]:
    pod = Pod.make(tmp_path)
    yield SystemdPod(pod, base)
    pod.close()
    for group in Path("/sys/fs/cgroup").glob(f"*/reaper-test-{os.getpid()}"):
        subprocess.run(["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], check=True)


def test_the_first_failure_ends_the_pod_with_its_status(real: SystemdPod) -> None:
    real.app("one", "echo from one; exit 0").app("two", "sleep 1; echo bye >&2; exit 5").app(
        "three", "exec sleep 100"
    )
    pod = real.ready_to_run()
    result = pod.run()
    assert (result.returncode, result.stdout, result.stderr) == (5, b"one   | from one\n", b"two   | bye\n")
    assert [real.record(name)["reason"] for name in real.names] == ["exited", "exited", "stopped"]
    assert pod.result() | {"started_at": 0, "ready_at": 0, "ended_at": 0} == {
        "status": 5, "reason": "decided", "by": "two", "supervisor": 0, "signal": None,
        "started_at": 0, "ready_at": 0, "ended_at": 0, "message": None,
    }  # fmt: skip
    assert pod.result()["started_at"] < pod.result()["ready_at"] < pod.result()["ended_at"]
    assert pod.read("run/status/stopping") == "app two\n"


@pytest.mark.parametrize(
    ("policy", "status"), [("any-failure", 3), ("all", 6), ("first", 3), ("app:two", 6), ("app:three", 0)]
)
def test_each_policy_ends_the_pod_in_its_way(real: SystemdPod, policy: str, status: int) -> None:
    real.app("one", "exit 3").app("two", "sleep 0.2; exit 6").app("three", "sleep 0.3; exit 0")
    assert real.ready_to_run(policy).run().returncode == status


@pytest.mark.parametrize("code", [1, 200, 203, 217, 226, 255])
def test_an_exit_code_of_the_app_is_its_own(real: SystemdPod, code: int) -> None:
    # PID 1 must have noticed that the program was executed; before that these statuses mean what they mean to systemd.
    assert real.app("web", f"sleep 1; exit {code}").ready_to_run().run().returncode == code
    assert (real.record("web")["reason"], real.record("web")["code"]) == ("exited", code)


@pytest.mark.parametrize("code", [216, 217])
def test_an_app_whose_user_and_group_exist_ends_with_its_own_code_however_soon(
    real: SystemdPod, code: int
) -> None:
    # So many at once that PID 1 sees the ends of some before it sees that they were executed.
    for number in range(30):
        real.app(f"web{number}", f"exit {code}", service="User=0\nGroup=root")
    assert real.ready_to_run("all").run().returncode == code
    assert {(real.record(name)["reason"], real.record(name)["code"]) for name in real.names} == {
        ("exited", code)
    }


@pytest.mark.parametrize(
    ("how", "reason", "status"),
    [
        ({"program": "/no/such/program"}, "not-found", 127),
        ({"program": "/etc/os-release"}, "cannot-execute", 126),
        ({"program": "/etc"}, "cannot-execute", 126),
        ({"service": "User=4711"}, "no-such-user", 125),
        ({"service": "Group=4711"}, "no-such-group", 125),
        ({"service": "User=root\nSupplementaryGroups=root nobody"}, "no-such-group", 125),
        ({"service": "WorkingDirectory=/no/such/place"}, "no-workdir", 125),
        ({"service": "BindPaths=/no/such/source:/tmp/x"}, "no-rootfs", 125),
    ],
)
def test_what_systemd_could_not_execute_is_told_by_its_cause(
    real: SystemdPod, how: dict[str, str], reason: str, status: int
) -> None:
    result = real.app("web", "exit 0", **how).ready_to_run().run()
    record = real.record("web")
    assert (result.returncode, record["reason"], record["code"], record["started_at"]) == (
        status,
        reason,
        None,
        None,
    )
    assert result.stderr.startswith(b"pod: app web: ")


@pytest.mark.parametrize("code", [203, 226])
def test_an_app_that_fails_before_it_is_ready_keeps_its_own_code(real: SystemdPod, code: int) -> None:
    probe = "ExecStartPost=+/pod/bin/reaper ready tcp:1 30"
    real.app("web", f"sleep 1; exit {code}", service=probe)
    started = time.monotonic()
    assert real.ready_to_run().run().returncode == code
    assert time.monotonic() - started < 10


def test_a_program_that_says_when_it_is_ready_and_was_there_was_executed(real: SystemdPod) -> None:
    real.app("web", "exit 203", type="notify")
    assert real.ready_to_run().run().returncode == 203
    assert real.record("web")["reason"] == "exited"


def test_each_restart_is_recorded_with_its_times_until_systemd_gives_up(real: SystemdPod) -> None:
    limit = "StartLimitIntervalSec=30\nStartLimitBurst=3"
    real.app("web", "sleep 0.05; exit 7", restart="on-failure", unit=limit, service="RestartSec=0.1")
    result = real.ready_to_run().run()
    assert (result.returncode, result.stderr) == (7, b"pod: app web: given up after 3 runs\n")
    runs = [json.loads(line) for line in real.pod.read("run/status/web.runs").splitlines()]
    assert [(run["runs"], run["final"]) for run in runs] == [(1, False), (2, False), (3, False)]
    times = [time for run in runs for time in (run["started_at"], run["ended_at"])]
    assert times == sorted(times)
    assert real.record("web")["final"]


def test_an_app_whose_requirement_failed_never_ran(real: SystemdPod) -> None:
    real.app("one", "exit 4", type="oneshot")
    real.app("two", "exit 0", unit="Requires=app-one.service\nAfter=app-one.service")
    assert real.ready_to_run("all").run().returncode == 125
    assert (real.record("two")["reason"], real.record("two")["runs"]) == ("dependency", 0)


def test_an_app_that_does_not_stop_is_killed_and_told(real: SystemdPod) -> None:
    real.app("web", "trap '' TERM; while :; do sleep 0.1; done", service="TimeoutStopSec=0.5")
    real.app("job", "sleep 0.3; exit 2")
    assert real.ready_to_run().run().returncode == 2
    assert (real.record("web")["reason"], real.record("web")["status"]) == ("stop-timeout", 137)


def test_input_reaches_a_real_app_whole_and_its_next_run_finds_the_end(real: SystemdPod) -> None:
    limit = "StartLimitIntervalSec=30\nStartLimitBurst=2"
    real.app(
        "web", "wc -c; exit 1", stdin="stream", restart="on-failure", unit=limit, service="RestartSec=0.05"
    )
    assert real.ready_to_run().run(input=b"x" * 2_000_000).stdout.split() == [b"2000000", b"0"]


@pytest.mark.parametrize("delay_ms", range(0, 180, 20))
def test_a_stop_is_heard_at_any_moment_of_the_boot(real: SystemdPod, delay_ms: int) -> None:
    monitor = real.app("web", "exec sleep 1000").ready_to_run().start()
    real.pod.wait_for("run/monitor")
    time.sleep(delay_ms / 1000)
    monitor.send_signal(signal.SIGTERM)
    assert monitor.wait(60) == 0
    assert real.pod.result()["reason"] == "stopped"
    assert not list(Path("/sys/fs/cgroup").glob(f"*/reaper-test-{os.getpid()}"))


def test_a_second_signal_ends_a_pod_that_does_not_want_to(real: SystemdPod) -> None:
    real.app("web", "trap '' TERM; echo up; while :; do sleep 0.1; done", service="TimeoutStopSec=1000")
    monitor = real.ready_to_run().start()
    wait_until(lambda: real.pod.log("web"), "the app to be deaf")
    monitor.send_signal(signal.SIGTERM)
    real.pod.wait_for("run/status/stopping")
    time.sleep(0.3)
    assert monitor.poll() is None
    monitor.send_signal(signal.SIGTERM)
    assert monitor.wait(60) == 137


def test_a_pod_whose_monitor_is_killed_ends_in_order_with_true_records(real: SystemdPod) -> None:
    script = "trap 'sleep 1; echo x; exit 3' TERM; echo up; while :; do sleep 0.01; done"
    monitor = real.app("web", script).ready_to_run().start()
    wait_until(lambda: real.pod.log("web"), "the app to listen")
    killed = time.monotonic()
    monitor.kill()
    lock = os.open(real.pod.path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.close(lock)
    assert time.monotonic() - killed < 30  # systemd's own limit is 90
    assert (real.record("web")["reason"], real.record("web")["code"]) == ("stopped", 3)
