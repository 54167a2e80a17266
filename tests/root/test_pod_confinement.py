"""EFFECT. What an app may do, seen from inside: nothing that SECURITY.md says it may not, and what it was given."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.root.pods import REPO, Pods

pytestmark = pytest.mark.root

KINDS = ("auto", "host")  # of user namespaces
# Files of the kernel that are the host's own; each is given back what it says.
KERNEL_FILES = ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness", "/proc/irq/default_smp_affinity")
WRITE = 'for file; do text=$(cat "$file") || exit 3; echo "$text" > "$file" && echo "$file"; done 2> /dev/null; true'
FORBIDDEN = {
    "acct", "add_key", "bind-mount", "bpf", "clock_settime", "fsopen", "init_module", "io_uring_setup", "kexec_load",
    "keyctl", "mknod", "mknod-block", "mount", "open_by_handle_at", "open_tree", "perf_event_open", "personality",
    "pivot_root", "ptrace", "quotactl", "reboot", "sethostname", "setns", "swapon", "syslog", "umount",
    "unshare-mount", "unshare-net", "unshare-user", "userfaultfd",
}  # fmt: skip
NOT_EVEN_ROOT = {
    "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_BOOT", "CAP_NET_ADMIN",
    "CAP_MKNOD", "CAP_DAC_READ_SEARCH", "CAP_SYSLOG",
}  # fmt: skip
DEVICES = {
    "char", "fd", "full", "hugepages", "log", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
    "stdin", "stdout", "tty", "urandom", "zero",
}  # fmt: skip


def calls(pods: Pods, *words: str) -> dict[str, str]:
    """How each system call ends."""
    said = pods.run(*words, "--", "syscall", "all", status=0).lines
    return dict(line.split() for line in said)


def report(pods: Pods, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pods.run(*words, "--", "report", status=0).out)
    return found


def shell(pods: Pods, script: str, *words: str, before: tuple[str, ...] = ()) -> list[str]:
    return pods.run(*before, "busybox", *words, "--", "sh", "-c", script, status=0).lines


# By default, in pods of both kinds


@pytest.mark.parametrize("userns", KINDS)
@pytest.mark.parametrize("user", ["0", "1000:1000"])
def test_the_kernels_files_cannot_be_written(pods: Pods, user: str, userns: str) -> None:
    words = ("--userns", userns, "busybox", "--user", user, "--", "sh", "-c", WRITE, "sh", *KERNEL_FILES)
    assert pods.run(*words, status=0).out == ""


@pytest.mark.parametrize("userns", KINDS)
def test_what_tells_of_the_kernel_says_nothing_and_the_host_cannot_be_rebooted(
    pods: Pods, userns: str
) -> None:
    script = "for f in /proc/kcore /proc/timer_list; do head -c 9 $f; done; "
    script += "tr -d '0\\n' < /proc/kallsyms | head -c 1 | grep '[1-9a-f]'; "
    script += "echo x > /proc/sysrq-trigger && echo reached"
    assert shell(pods, f"({script}) 2> /dev/null; true", before=("--userns", userns)) == []


@pytest.mark.parametrize("userns", KINDS)
def test_root_has_at_most_fourteen_capabilities_and_none_over_the_host(pods: Pods, userns: str) -> None:
    names = set(report(pods, "--userns", userns, "inspect")["capabilities"]["bounding"]["names"])
    assert 0 < len(names) <= 14
    assert not names & NOT_EVEN_ROOT


@pytest.mark.parametrize("userns", KINDS)
def test_who_is_not_root_has_no_capabilities_and_cannot_gain_any(pods: Pods, userns: str) -> None:
    said = report(pods, "--userns", userns, "inspect", "--user", "app")
    assert said["capabilities"]["effective"]["names"] == []
    assert said["no_new_privs"] == 1


@pytest.mark.parametrize("userns", KINDS)
@pytest.mark.parametrize("user", ["root", "app"])
def test_calls_that_change_the_host_say_eperm_and_kill_nobody(pods: Pods, user: str, userns: str) -> None:
    said = calls(pods, "--userns", userns, "inspect", "--user", user)
    assert {name for name in FORBIDDEN if said[name] != "EPERM"} == set()
    assert said["vsock-socket"] == "EAFNOSUPPORT"
    assert "SIGSYS" not in said.values()


def test_a_call_that_no_list_knows_is_one_the_kernel_does_not_have(pods: Pods) -> None:
    assert calls(pods, "inspect")["unknown"] == "ENOSYS"


@pytest.mark.parametrize("userns", KINDS)
def test_the_hosts_devices_are_not_there_and_cannot_be_made(pods: Pods, userns: str) -> None:
    script = "mknod /tmp/disk b 8 0 2> /dev/null && echo made; ls /dev"
    assert set(shell(pods, script, before=("--userns", userns))) <= DEVICES


@pytest.mark.parametrize("userns", KINDS)
def test_processes_of_the_host_cannot_be_seen_or_signalled(pods: Pods, userns: str) -> None:
    script = "for p in /proc/[0-9]*; do cat $p/comm; done 2> /dev/null | sort -u | tr '\\n' ' '"
    (seen,) = shell(pods, script, before=("--userns", userns))
    assert set(seen.split()) <= {
        "systemd",
        "sh",
        "cat",
        "sort",
        "tr",
        "busybox",
        "(sd-executor)",
        "systemd-executo",
    }


# Capabilities


@pytest.mark.parametrize("userns", KINDS)
def test_capabilities_are_what_was_asked_for(pods: Pods, userns: str) -> None:
    words = ("--userns", userns, "inspect", "--cap-drop", "all", "--cap-add", "chown,SYS_TIME")
    found = report(pods, *words)["capabilities"]
    assert (
        set(found["bounding"]["names"]) == set(found["effective"]["names"]) == {"CAP_CHOWN", "CAP_SYS_TIME"}
    )
    only = report(pods, "inspect", "--cap-only", "kill")["capabilities"]
    assert only["permitted"]["names"] == ["CAP_KILL"]
    assert report(pods, "inspect", "--cap-drop", "all")["capabilities"]["bounding"]["names"] == []


@pytest.mark.parametrize("userns", KINDS)
def test_an_app_that_is_not_root_has_the_capabilities_it_was_given(pods: Pods, userns: str) -> None:
    said = report(pods, "--userns", userns, "inspect", "--user", "app", "--cap-add", "chown")
    found = said["capabilities"]
    assert found["ambient"]["names"] == found["effective"]["names"] == ["CAP_CHOWN"]
    assert said["no_new_privs"] == 1


def test_a_given_capability_brings_its_calls_and_works_in_the_pod_only(pods: Pods) -> None:
    script = "mkdir /m && mount -t tmpfs none /m && echo mounted; hostname other && hostname"
    assert shell(pods, f"({script}) 2> /dev/null", "--cap-add", "sys_admin") == ["mounted", "other"]
    assert calls(pods, "inspect", "--cap-add", "SYS_PTRACE")["ptrace"] == "ok"


# System calls


@pytest.mark.parametrize("userns", KINDS)
def test_lists_of_system_calls(pods: Pods, userns: str) -> None:
    before = ("--userns", userns, "inspect", "--cap-add", "sys_chroot", "--seccomp")
    some = calls(pods, *before, "@system-service,@keyring,errno=EACCES")
    assert (some["mount"], some["chroot"], some["keyctl"]) == ("EACCES", "EACCES", "ok")
    less = calls(pods, *before, "~chroot:ENOSYS,keyctl")
    assert (less["chroot"], less["keyctl"], less["unshare-user"]) == ("ENOSYS", "EPERM", "ok")
    killed = calls(pods, *before, "~chroot:kill")
    assert killed["chroot"] == "SIGSYS"


def test_a_profile_of_other_runtimes(pods: Pods) -> None:
    rules = [
        {"names": ["chroot", "ptrace"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
        {"names": ["keyctl"], "action": "SCMP_ACT_ERRNO"},
    ]
    text = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})
    said = calls(pods, "inspect", "--seccomp", str(pods.write("profile.json", text)))
    assert (said["chroot"], said["ptrace"], said["keyctl"]) == ("EACCES", "EACCES", "EPERM")


def test_the_default_profile_of_podman_is_taken_where_it_can_be_kept(pods: Pods) -> None:
    profile = Path("/usr/share/containers/seccomp.json")
    if not profile.exists():
        pytest.skip(f"{profile} is not there: containers-common is not installed")
    said = calls(pods, "inspect", "--seccomp", str(profile))
    assert (said["mount"], said["chroot"], said["unknown"]) == ("EPERM", "ok", "ENOSYS")
    assert (said["bpf"], said["init_module"], said["userfaultfd"]) == ("EPERM", "EPERM", "EPERM")


def test_no_filter_but_the_one_that_closes_devices(pods: Pods) -> None:
    before = report(pods, "inspect")["seccomp_filters"]
    assert 0 < report(pods, "inspect", "--seccomp", "unconfined")["seccomp_filters"] < before
    said = calls(pods, "inspect", "--seccomp", "unconfined", "--cap-add", "sys_admin")
    assert {said[name] for name in ("keyctl", "mount", "ptrace", "unshare-user", "personality")} == {"ok"}


def test_what_no_filter_can_be_is_refused(pods: Pods) -> None:
    assert "no '@nothing' here" in pods.run("inspect", "--seccomp", "@nothing", status=2).err
    assert "no 'raed' here" in pods.run("inspect", "--seccomp", "~raed", status=2).err
    twice = pods.run("inspect", "--seccomp", "default", "--seccomp", "unconfined", status=2)
    assert "--seccomp is given twice" in twice.err


# Privileged


def test_a_privileged_app_of_a_pod_with_ids_of_its_own_reaches_only_the_pod(pods: Pods) -> None:
    found = calls(pods, "inspect", "--privileged")
    assert (found["mount"], found["unshare-net"], found["ptrace"]) == ("ok", "ok", "ok")
    assert (found["clock_settime"], found["swapon"], found["syslog"]) == ("EPERM", "EPERM", "EPERM")
    assert found["mknod-block"] == "EPERM"
    script = "ls /dev; (echo x > /dev/kmsg) 2> /dev/null && echo reached"
    seen = shell(pods, f"{script}; true", "--privileged")
    assert {"null", "zero", "tty"} <= set(seen)
    assert "reached" not in seen
    assert "kmsg" in seen


def test_a_privileged_app_with_the_hosts_ids_has_no_filter_and_the_hosts_devices(pods: Pods) -> None:
    said = report(pods, "--userns=host", "inspect", "--privileged")
    assert (said["seccomp"], said["no_new_privs"]) == (0, 0)
    assert "CAP_SYS_ADMIN" in said["capabilities"]["effective"]["names"]
    script = "head -c 1 /dev/kmsg > /dev/null && echo read; mknod /node c 1 3 && echo made"
    assert shell(pods, script, "--privileged", before=("--userns=host",)) == ["read", "made"]


# no_new_privs, devices, paths, roots


def test_set_user_id_programs_give_something_only_if_asked_for(pods: Pods) -> None:
    assert report(pods, "inspect", "--no-new-privileges")["no_new_privs"] == 1
    assert report(pods, "inspect")["no_new_privs"] == 0
    assert report(pods, "inspect", "--user", "app", "--privileged")["no_new_privs"] == 0
    assert "no effect" in pods.run("inspect", "--user", "app", "--no-new-privileges=no", status=2).err


@pytest.mark.parametrize("userns", KINDS)
def test_a_device_belongs_to_the_apps_user(pods: Pods, userns: str) -> None:
    device = ("--device", "/dev/zero:/dev/deep/nothing:r", "--device", "/dev/null:/dev/sink:w")
    script = "ls -ln /dev/deep/nothing /dev/sink; head -c 3 /dev/deep/nothing | wc -c; "
    script += "echo x > /dev/sink && echo written"
    seen = shell(pods, script, *device, "--user", "1234:77", before=("--userns", userns))
    assert [line.split()[0:6] for line in seen[:2]] == [
        ["cr--------", "1", "1234", "77", "1,", "5"],
        ["c-w-------", "1", "1234", "77", "1,", "3"],
    ]
    assert seen[2:] == ["3", "written"]
    others = shell(pods, "(echo x > /dev/deep/nothing) 2> /dev/null || echo refused", *device, "--user", "5")
    assert others == ["refused"]


@pytest.mark.parametrize("userns", KINDS)
@pytest.mark.parametrize("device", ["/dev/net/tun", "/dev/fuse"])
def test_devices_that_apps_ask_for_can_be_opened(pods: Pods, device: str, userns: str) -> None:
    if not Path(device).is_char_device():
        pytest.skip(f"this machine has no {device}")
    script = f"exec 3<> {device} && echo open"
    before = ("--net=none", "--userns", userns)
    assert shell(pods, script, "--device", device, "--user", "1000", before=before) == ["open"]


def test_what_is_no_device_is_refused_before_anything_is_made(pods: Pods) -> None:
    assert "is not a device" in pods.run("busybox", "--device", "/etc/passwd", "--", "true", status=2).err
    missing = pods.run("busybox", "--device", "/dev/no-such-thing", "--", "true", status=125)
    assert "device /dev/no-such-thing: No such file" in missing.err
    assert pods.all() == []


@pytest.mark.parametrize("userns", KINDS)
def test_a_path_can_be_hidden(pods: Pods, userns: str) -> None:
    script = "cat /etc/passwd 2> /dev/null; ls /home 2> /dev/null; id -un > /dev/null 2>&1; echo end"
    words = ("--mask-path", "/etc/passwd", "--mask-path", "/home", "--mask-path", "/no/such/path")
    assert shell(pods, script, *words, before=("--userns", userns)) == ["end"]


def test_what_is_hidden_with_the_hosts_ids_can_be_shown(pods: Pods) -> None:
    script = 'test -n "$(head -c 9 /proc/kallsyms)" && echo there; true'
    before = ("--userns=host",)
    assert shell(pods, f"({script}) 2> /dev/null", before=before) == []
    assert shell(pods, script, "--unmask", "/proc/kallsyms", before=before) == ["there"]
    assert shell(pods, script, "--unmask=all", before=before) == ["there"]


@pytest.mark.parametrize("userns", KINDS)
def test_a_read_only_root_and_what_stays_writable(pods: Pods, userns: str) -> None:
    places = "/ /etc /bin /run /tmp /var/tmp /v/deep /dev/shm"
    script = f"for d in {places}; do (echo x > $d/new) 2> /dev/null && echo $d; done"
    words = ("--read-only", "--volume", "data:/v/deep", "--workdir", "/not/there/yet")
    seen = shell(
        pods, f"{script}; pwd; cat /etc/hosts > /dev/null && echo hosts", *words, before=("--userns", userns)
    )
    assert seen == ["/run", "/tmp", "/var/tmp", "/v/deep", "/dev/shm", "/not/there/yet", "hosts"]


def test_a_file_can_be_mounted_into_a_read_only_root(pods: Pods) -> None:
    source = pods.write("hello", "hello\n")
    words = ("--read-only", "--volume", f"{source}:/new/place/file", "--", "cat", "/new/place/file")
    assert pods.run("busybox", *words, status=0).out == "hello\n"


def test_systemd_is_shown_that_there_is_apparmor_although_sys_is_cut() -> None:
    cut = "mount -t tmpfs -o nosuid,nodev,noexec test /sys && mount -o remount,bind,ro /sys"
    begin = f"{REPO}/stage1/native/bin/begin --at-once --apparmor"
    look = "cat /sys/module/apparmor/parameters/enabled; touch /sys/x"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{cut} && exec {begin} /bin/sh -c '{look}'"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "Y\n"
    assert "Read-only file system" in done.stderr
