"""EFFECT. The lab itself: a real systemd host that leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab import machine
from tests.lab.host import LabError, LabHost
from tests.leftovers import Snapshot
from tests.patience import SLOWNESS

pytestmark = pytest.mark.lab

BUILD_ROOT = Path(__file__).with_name("minimal-root.sh")
ROOT = "/var/lib/pod/raw"
NSPAWN = (
    "systemd-nspawn", "--quiet", "--boot", "--console=pipe", "--machine=raw", f"--directory={ROOT}",
)  # fmt: skip


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30 * SLOWNESS) -> None:
    """Wait for something that no event announces to us."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"in vain: {what}"
        time.sleep(0.02)


def traces(name: str) -> list[str]:
    """What of a lab is on this machine: directories, cgroups, mounts and processes with its name."""
    snapshot = Snapshot.take(machine.BASE / name)
    lines = [*snapshot.files, *snapshot.cgroups, *snapshot.mounts, *snapshot.processes]
    return [line for line in lines if name in line]


def test_a_lab_is_a_running_systemd_host(lab: LabHost) -> None:
    assert lab.run(["systemctl", "is-system-running"]).stdout == "running\n"
    assert lab.run(["ps", "-o", "comm=", "-p", "1"]).stdout == "systemd\n"


def test_a_lab_has_a_bus_a_machine_manager_and_a_journal(lab: LabHost) -> None:
    lab.run(["busctl", "status", "org.freedesktop.machine1"])
    lab.run(["logger", "--tag=lab-test", "hello from the lab"])
    lab.run(["journalctl", "--sync"])
    assert "hello from the lab" in lab.journal("--identifier=lab-test")


def test_mounts_of_a_lab_are_shared_as_on_a_booted_host(lab: LabHost) -> None:
    assert lab.run(["findmnt", "-no", "PROPAGATION", "/"]).stdout.strip() == "shared"


def test_a_lab_has_a_network_of_its_own_with_nftables(lab: LabHost) -> None:
    # pods that ran here before have left their bridge
    assert set(lab.run(["ls", "/sys/class/net"]).stdout.split()) - {"pod0"} == {"lo"}
    lab.run(["nft", "add table ip lab_test; delete table ip lab_test"])


def test_the_data_root_can_hold_overlays(lab: LabHost) -> None:
    script = """
        cd "$(mktemp -d -p /var/lib/pod)" && mkdir lower upper work merged
        layers=lowerdir=lower,upperdir=upper,workdir=work
        unshare --mount sh -c "mount -t overlay o -o $layers merged && touch merged/x"
        test -e upper/x && rm -rf "$PWD"
    """
    lab.run(["sh", "-euc", script])


def test_the_project_is_seen_in_a_lab_but_writes_stay_there(lab: LabHost) -> None:
    inside = machine.REPO / "tests" / "lab" / "written-in-a-lab"
    lab.write(inside, "x")
    assert lab.read(inside) == "x"
    assert not inside.exists()


def test_a_command_gets_a_clean_environment_in_the_project(lab: LabHost) -> None:
    words = lab.run(["env"], env={"EXTRA": "yes"}).stdout.split()
    assert "EXTRA=yes" in words
    assert not any(word.startswith("PYTEST_") for word in words)
    assert lab.run(["pwd"]).stdout.strip() == str(machine.REPO)


def test_a_command_ignores_no_signal_that_its_caller_ignores(lab: LabHost) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a script's background job
    try:
        status = lab.run(["cat", "/proc/self/status"]).stdout
    finally:
        signal.signal(signal.SIGINT, before)
    # signals 32 and 33 are the C library's own: no program can give them back what its caller took away
    assert int(status.partition("SigIgn:")[2].split()[0], 16) & ~(0b11 << 31) == 0


def test_a_command_runs_in_the_group_of_a_session(lab: LabHost) -> None:
    groups = lab.run(["cat", "/proc/self/cgroup"]).stdout.splitlines()
    assert "/user.slice/lab-session.service" in {line.rpartition(":")[2] for line in groups}
    assert not any("/.." in line for line in groups)


def test_a_failing_command_says_what_it_printed(lab: LabHost) -> None:
    with pytest.raises(LabError, match=r"exit status 3 .*\nout\nerr"):
        lab.run(["sh", "-c", "echo out; echo err >&2; exit 3"])


def test_a_command_that_takes_too_long_is_ended_inside_the_lab(lab: LabHost) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        lab.run(["sleep", "987"], timeout=0.5)
    assert lab.run(["pgrep", "-f", "^sleep 987"], check=False).returncode == 1


def test_a_terminal_of_the_lab_is_one_with_job_control(lab: LabHost) -> None:
    done = lab.run(
        ["sh", "-c", "tty; read word; echo got $word; exit 4"], input="hello\n", tty=True, check=False
    )
    assert done.returncode == 4
    assert "/dev/pts/" in done.stdout
    assert done.stdout.endswith("got hello\n")


def test_an_interrupt_typed_at_a_terminal_reaches_the_command(lab: LabHost) -> None:
    with lab.terminal(
        ["sh", "-c", "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done"]
    ) as screen:
        screen.read_until("ready")
        screen.send("\x03")
        screen.read_until("caught")
        assert screen.process.wait(5) == 5


def has_booted(lab: LabHost) -> bool:
    """Its PID 1 takes signals only then; machined knows the container earlier."""
    return "machine-raw.scope/payload/system.slice/sleep.service" in "\n".join(lab.snapshot().cgroups)


def test_a_booted_nspawn_container_registers_with_machined(clean_lab: LabHost) -> None:
    lab = clean_lab
    lab.run([BUILD_ROOT, ROOT])
    container = lab.popen(NSPAWN)
    wait_for(lambda: has_booted(lab), "the container's boot")
    assert "State=running" in lab.run(["machinectl", "show", "raw"]).stdout
    lab.run(["machinectl", "poweroff", "raw"])
    container.communicate(timeout=30 * SLOWNESS)
    assert container.returncode == 0
    lab.run(["rm", "-rf", ROOT])


def test_a_container_in_a_host_unit_is_ready_when_it_says_so(clean_lab: LabHost) -> None:
    lab = clean_lab
    lab.run([BUILD_ROOT, ROOT])
    unit = ("systemd-run", "--quiet", "--unit=raw", "--service-type=notify", "-p", "Delegate=yes")
    lab.run([*unit, "--slice=machine.slice", *NSPAWN, "--keep-unit", "--notify-ready=yes"])
    assert "raw.service" in lab.run(["machinectl", "show", "raw", "-p", "Unit"]).stdout
    lab.run(["systemctl", "stop", "raw.service"])
    lab.run(["rm", "-rf", ROOT])


@pytest.mark.parametrize("orderly", [True, False], ids=["orderly", "power cut"])
def test_a_reboot_keeps_the_file_systems_and_ends_the_processes(own_lab: LabHost, orderly: bool) -> None:
    own_lab.write("/var/lib/pod/kept", "data")
    own_lab.write("/etc/kept", "root")
    own_lab.write("/run/lost", "")
    own_lab.run(["systemd-run", "--quiet", "--unit=lost", "sleep", "infinity"])
    identity = own_lab.read("/etc/machine-id")
    own_lab.run(["sync"])
    own_lab.reboot(orderly=orderly)
    assert own_lab.boots == 2
    assert own_lab.read("/var/lib/pod/kept") == "data"
    assert own_lab.read("/etc/kept") == "root"
    assert own_lab.read("/etc/machine-id") == identity
    assert own_lab.run(["test", "-e", "/run/lost"], check=False).returncode == 1
    assert own_lab.run(["systemctl", "is-active", "lost"], check=False).stdout == "inactive\n"


def test_two_labs_at_once_do_not_see_each_other(lab: LabHost, own_lab: LabHost) -> None:
    own_lab.write("/var/lib/pod/mine", "")
    own_lab.run(["systemd-run", "--quiet", "--unit=mine", "sleep", "infinity"])
    assert lab.run(["test", "-e", "/var/lib/pod/mine"], check=False).returncode == 1
    assert lab.run(["systemctl", "is-active", "mine"], check=False).stdout == "inactive\n"
    assert own_lab.name not in lab.run(["cat", "/proc/mounts"]).stdout


def test_a_lab_leaves_nothing_on_this_machine(lab: LabHost) -> None:
    assert lab.leader  # the fixture: a machine without the prerequisites says so there
    with LabHost() as host:
        assert traces(host.name)
        host.run(
            [
                "systemd-run",
                "--quiet",
                "--unit=stubborn",
                "sh",
                "-c",
                "trap '' TERM; while :; do sleep 1; done",
            ]
        )
        before = Snapshot.take(machine.BASE / host.name)
        assert any("stubborn" in line for line in before.cgroups)
        host.reboot(orderly=False)
    assert traces(host.name) == []


def test_a_lab_goes_when_its_owner_is_killed(lab: LabHost) -> None:
    assert lab.leader
    script = (
        "from tests.lab.host import LabHost; h = LabHost(); h.boot(); print(h.name, flush=True); input()"
    )
    words = [sys.executable, "-c", script]
    with subprocess.Popen(words, cwd=machine.REPO, stdin=-1, stdout=-1, text=True) as owner:
        assert owner.stdout is not None
        name = owner.stdout.readline().strip()
        assert traces(name)
        owner.kill()
    wait_for(lambda: traces(name) == [], "the end of the lab")


def test_what_a_killed_keeper_left_goes_with_the_next_lab(lab: LabHost) -> None:
    assert lab.leader
    host = LabHost()
    host.boot()
    leader = host.leader
    assert host._keeper is not None
    os.kill(host._keeper.pid, signal.SIGKILL)
    host._keeper.wait()
    wait_for(lambda: not Path(f"/proc/{leader}").exists(), "the end of PID 1")
    with LabHost():
        assert traces(host.name) == []
    host.poweroff()


def test_a_path_without_the_marker_is_never_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.lab.keeper import LabDirectory

    monkeypatch.setattr(machine, "BASE", tmp_path)
    (tmp_path / "podlab-x" / "disk").mkdir(parents=True)
    LabDirectory("podlab-x").remove()
    assert (tmp_path / "podlab-x" / "disk").exists()
