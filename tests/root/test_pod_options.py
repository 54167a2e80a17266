"""EFFECT. What images and options say of an app is so: who it is, where it works, what it sees mounted."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.root.pods import IMAGES, Pods, eventually, scratch_directory

pytestmark = pytest.mark.root

REPORT = ("report", "--json", "exit", "0")


def reports(pods: Pods, image: str, *variants: Sequence[str]) -> list[dict[str, Any]]:
    """What each app of a pod saw: many variants for the price of one boot."""
    groups = [("---", image, "--name", f"app{i}", *words, "--", *REPORT) for i, words in enumerate(variants)]
    done = pods.run("--exit-policy", "all", *[word for group in groups for word in group][1:])
    return [json.loads(pods("logs", "--app", f"app{i}", done.uuid).out) for i in range(len(variants))]


def variables(found: dict[str, Any]) -> dict[str, str]:
    """The environment of a report."""
    pairs = (base64.b64decode(each["base64"]).decode().partition("=") for each in found["env"])
    return {name: value for name, _, value in pairs}


@pytest.fixture
def changed(pods: Pods) -> Iterator[Any]:
    """Makes images: those of the project with another configuration."""
    with scratch_directory(pods.scratch) as place:

        def change(image: str, *config: str) -> str:
            layout = place / f"image{len(list(place.iterdir()))}"
            shutil.copytree(IMAGES / image, layout)
            if config:
                subprocess.run(
                    ["umoci", "config", "--image", f"{layout}:latest", *config],
                    check=True,
                    capture_output=True,
                )
            return f"oci:{layout}:latest"

        yield change


USERS: list[tuple[tuple[str, ...], tuple[int, int, list[int], str]]] = [
    ((), (0, 0, [], "/root")),
    (("--user", "app"), (1000, 1000, [2000, 2001], "/home/app")),
    (("--user", "1000"), (1000, 1000, [2000, 2001], "/home/app")),
    (("--user", "app:extra"), (1000, 2000, [], "/home/app")),
    (("--user", "web:0"), (101, 0, [], "/nonexistent")),
    (("--user", "web"), (101, 102, [2001], "/nonexistent")),
    (("--user", "web", "--group", "app"), (101, 1000, [], "/nonexistent")),
    (("--user", "4711"), (4711, 0, [], "/")),
    (("--user", "4711:4712"), (4711, 4712, [], "/")),
    (("--group", "extra"), (0, 2000, [], "/root")),
    (("--user", "0:app"), (0, 1000, [], "/root")),
]


def test_users_and_groups_are_those_of_the_image(pods: Pods) -> None:
    found = reports(pods, "inspect", *[words for words, _ in USERS])
    for (words, (uid, gid, groups, home)), seen in zip(USERS, found, strict=True):
        ids = [seen[name] for name in ("uid", "euid", "suid", "gid", "egid", "sgid")]
        assert ids == [uid] * 3 + [gid] * 3, words
        assert sorted(set(seen["groups"]) - {gid}) == groups, words
        assert variables(seen)["HOME"] == home, words


def test_apps_that_are_not_root_have_no_capabilities_and_get_none(pods: Pods) -> None:
    root, app = reports(pods, "inspect", (), ("--user", "app"))
    assert app["capabilities"]["effective"]["names"] == []
    assert app["capabilities"]["permitted"]["names"] == []
    assert app["no_new_privs"] == 1
    names = set(root["capabilities"]["effective"]["names"])
    assert {"CAP_CHOWN", "CAP_SETUID", "CAP_SYS_CHROOT", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW"} <= names
    assert not names & {
        "CAP_SYS_ADMIN",
        "CAP_SYS_PTRACE",
        "CAP_NET_ADMIN",
        "CAP_SYS_MODULE",
        "CAP_MAC_ADMIN",
    }


def test_the_user_of_the_image_is_the_default(pods: Pods, changed: Any) -> None:
    image = changed("inspect", "--config.user", "app")
    plain, other = reports(pods, image, (), ("--user", "root"))
    assert (plain["uid"], plain["gid"]) == (1000, 1000)
    assert (other["uid"], other["gid"]) == (0, 0)


def test_a_working_directory_is_made_where_it_is_missing(pods: Pods, changed: Any) -> None:
    image = changed("inspect", "--config.workingdir", "/made/by/image")
    plain, other, root = reports(pods, image, (), ("--workdir", "/made/by/option"), ("--workdir", "/"))
    assert [each["cwd"] for each in (plain, other, root)] == ["/made/by/image", "/made/by/option", "/"]


def test_a_missing_working_directory_belongs_to_root_and_can_be_entered(pods: Pods) -> None:
    done = pods.run(
        "inspect", "--user", "app", "--workdir", "/made", "--", "stat", "/made", "write", "x", "x", status=1
    )
    facts = json.loads(done.lines[0])
    assert (facts["mode"], facts["uid"], facts["gid"]) == ("0755", 0, 0)
    assert "EACCES" in done.err


def test_the_environment_is_defaults_then_image_then_files_then_options(pods: Pods, changed: Any) -> None:
    image = changed("inspect", "--config.env", "A=image", "--config.env", "B=image", "--config.env", "C=image",
                    "--config.env", "PATH=/image/bin")  # fmt: skip
    file = pods.write(
        "one.env", "# a comment\n\nB=file\nC=file\n  D=indented \nFROM_CALLER\nNOT_SET\nE=a=b # no comment\n"
    )
    words = (
        "--env-file",
        str(file),
        "--env",
        "C=option",
        "--env",
        "FROM_CALLER2",
        "--env",
        "EMPTY=",
        "--env",
        "NOT_SET2",
    )
    caller = {"FROM_CALLER": "f", "FROM_CALLER2": "o"}
    done = pods.run(image, "--exec", "/inspect", *words, "--", *REPORT, env=caller)
    assert variables(json.loads(done.out)) == {
        "PATH": "/image/bin",
        "HOME": "/root",
        "SHELL": "/inspect",
        "A": "image",
        "B": "file",
        "C": "option",
        "D": "indented ",
        "E": "a=b # no comment",
        "FROM_CALLER": "f",
        "FROM_CALLER2": "o",
        "EMPTY": "",
    }


def test_several_environment_files_count_in_their_order(pods: Pods) -> None:
    one, two = pods.write("1.env", "A=1\nB=1\n"), pods.write("2.env", b"A=2\nODD=\xff \n")
    done = pods.run(
        "inspect", "--env-file", one, "--env-file", two, "--", "env", "A", "env", "B", "env", "ODD"
    )
    assert done.lines == ["2", "1", "\udcff "]


def test_entrypoint_and_command_go_together_and_arguments_replace_the_command(
    pods: Pods, changed: Any
) -> None:
    image = changed(
        "inspect",
        "--config.entrypoint",
        "/inspect",
        "--config.entrypoint",
        "print",
        "--config.cmd",
        "from image",
    )
    assert pods.run(image).out == "from image\n"
    assert pods.run(image, "--", "from user").out == "from user\n"
    assert pods.run(image, "--exec", "/inspect", "--", "print", "all new").out == "all new\n"


def test_an_image_without_program_is_refused(pods: Pods, changed: Any) -> None:
    image = changed("busybox", "--clear=config.entrypoint", "--clear=config.cmd")
    refused = pods("run", image, status=2)
    assert "names no program" in refused.err
    assert pods.run(image, "--", "/bin/echo", "said").out == "said\n"


def test_the_stop_signal_is_the_images_or_the_options(pods: Pods, changed: Any) -> None:
    image = changed("inspect", "--config.stopsignal", "SIGUSR1")
    words = ("--", "trap", "USR1", "3", "trap", "USR2", "4", "trap", "TERM", "5", "pause")
    other = (image, "--name", "other", "--stop-signal", "USR2", *words)
    pod = pods.start(
        image, "--name", "own", *words, "---", *other, "---", "inspect", "--name", "default", *words
    )
    eventually(lambda: all(app["pid"] for app in pods.status(pod.uuid)["apps"]), "all apps")
    eventually(lambda: all(has_traps(app["pid"]) for app in pods.status(pod.uuid)["apps"]), "all traps")
    pods("stop", pod.uuid)
    assert pods.endings(pod.uuid) == {"own": "stopped 3", "other": "stopped 4", "default": "stopped 5"}


def has_traps(pid: int) -> bool:
    """Whether a process already catches SIGTERM, the last of its traps."""
    caught = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt")
    )
    return bool(int(caught.split()[1], 16) & 1 << 14)


def test_a_volume_of_the_image_is_filled_with_its_files_owners_and_modes(pods: Pods, changed: Any) -> None:
    image = changed(
        "inspect", "--config.volume", "/home/app", "--config.volume", "/tmp", "--config.volume", "/new/place"
    )
    done = pods.run(
        image, "--", "stat", "/home/app", "stat", "/tmp", "stat", "/new/place", "write", "/home/app/x", "x"
    )
    home, tmp, new = (json.loads(line) for line in done.lines)
    assert (home["mode"], home["uid"], home["gid"]) == ("0755", 1000, 1000)
    assert tmp["mode"] == "1777"
    assert (new["mode"], new["uid"]) == ("0755", 0)
    volumes = pods.directory(done.uuid) / "volumes"
    assert [path.read_text() for path in volumes.glob("*/x")] == ["x"]
    assert not list((pods.directory(done.uuid) / "apps").glob("*/upper/home/app/x"))


def test_files_of_a_volume_of_the_image_are_there(pods: Pods, changed: Any) -> None:
    image = changed("busybox", "--config.volume", "/etc")
    done = pods.run(image, "--", "sh", "-c", "cat /etc/passwd; echo more >> /etc/passwd")
    assert "root:" in done.out
    pods("start", done.uuid)
    assert "more" in pods("logs", done.uuid).out


def test_a_host_path_is_mounted_for_writing_or_for_reading(pods: Pods) -> None:
    source = pods.new_path("source")
    source.mkdir()
    (source / "file").write_text("from the host\n")
    words = ("--volume", f"{source}:/rw", "--volume", f"{source}:/ro:ro", "--")
    actions = ("cat", "/ro/file", "write", "/rw/new", "from the pod", "write", "/ro/refused", "x")
    done = pods.run("inspect", *words, *actions, status=1)
    assert done.out == "from the host\n"
    assert "EROFS" in done.err
    assert sorted(path.name for path in source.iterdir()) == ["file", "new"]


def test_a_single_file_of_the_host_can_be_mounted(pods: Pods) -> None:
    file = pods.write("single", "only me\n")
    done = pods.run(
        "inspect", "--volume", f"{file}:/etc/single:ro", "--", "cat", "/etc/single", "cat", "/etc/passwd"
    )
    assert done.lines[0] == "only me"
    assert "root:" in done.out


def test_a_relative_source_starts_at_the_callers_directory(pods: Pods) -> None:
    (pods.new_path("x").parent / "relative").mkdir()
    done = subprocess.run(
        pods.argv("run", "inspect", "--volume", "./relative:/v", "--", "write", "/v/x", "x"),
        cwd=pods.scratch,
        check=True,
        capture_output=True,
    )
    assert done.stderr == b""
    assert (pods.scratch / "relative" / "x").exists()


def test_a_volume_of_the_pod_is_shared_by_its_apps_and_dies_with_it(pods: Pods) -> None:
    mount = "type=empty,source=data"
    script = "echo shared > /out/new && mv /out/new /out/x"
    writer = ("busybox", "--name", "writer", "--mount", f"{mount},target=/out", "--", "sh", "-c", script)
    actions = ("wait-file", "/in/x", "cat", "/in/x", "write", "/in/y", "y")
    reader = ("inspect", "--name", "reader", "--mount", f"{mount},target=/in,ro", "--", *actions)
    done = pods.run("--exit-policy", "app:reader", *writer, "---", *reader, status=1)
    assert "reader | shared" in done.out
    assert "EROFS" in done.err
    pods("rm", done.uuid)


def test_a_volume_of_the_whole_pod_is_in_every_app(pods: Pods) -> None:
    source = pods.new_path("source")
    source.mkdir()
    (source / "x").write_text("x\n")
    words = ("--", "cat", "/all/x")
    done = pods.run(
        "--volume",
        f"{source}:/all:ro",
        "inspect",
        "--name",
        "a",
        *words,
        "---",
        "inspect",
        "--name",
        "b",
        *words,
    )
    assert sorted(done.lines) == ["a | x", "b | x"]


def test_a_tmpfs_has_its_size_and_mode(pods: Pods) -> None:
    words = ("--mount", "type=tmpfs,target=/fast,size=1M,mode=0750", "--mount", "type=tmpfs,target=/default")
    done = pods.run(
        "busybox",
        *words,
        "--",
        "sh",
        "-c",
        "stat -c %a /fast /default; df -k /fast | tail -1; touch /fast/x",
    )
    assert done.lines[:2] == ["750", "1777"]
    assert " 1024 " in done.lines[2]
    assert not list(pods.directory(done.uuid).rglob("fast/x"))


def test_an_empty_volume_has_its_mode_and_owner(pods: Pods) -> None:
    mount = "type=empty,target=/deep/er/work,mode=0700,uid=1000,gid=2000"
    words = (
        "--user",
        "app",
        "--mount",
        mount,
        "--",
        "stat",
        "/deep/er/work",
        "write",
        "/deep/er/work/x",
        "x",
    )
    done = pods.run("inspect", *words)
    facts = json.loads(done.lines[0])
    assert (facts["mode"], facts["uid"], facts["gid"]) == ("0700", 1000, 2000)


def test_mounts_within_mounts_are_made_in_their_order(pods: Pods) -> None:
    words = (
        "--mount",
        "type=tmpfs,target=/a/b/c",
        "--mount",
        "type=empty,target=/a/b",
        "--mount",
        "type=tmpfs,target=/a",
    )
    done = pods.run(
        "busybox",
        *words,
        "--",
        "sh",
        "-c",
        "touch /a/1 /a/b/2 /a/b/c/3 && grep ' /a' /proc/mounts | cut -d' ' -f2",
    )
    assert done.lines == ["/a", "/a/b", "/a/b/c"]


def test_apps_have_roots_of_their_own(pods: Pods) -> None:
    one = ("inspect", "--name", "one", "--", "write", "/mine", "x", "sleep", "0.5", "exit", "0")
    two = ("inspect", "--name", "two", "--after", "one", "--", "sleep", "0.2", "stat", "/mine")
    done = pods.run(*one, "---", *two, status=1)
    assert "ENOENT" in done.err


def test_an_image_is_never_changed_by_its_pods(pods: Pods) -> None:
    pods.run("inspect", "--", "write", "/etc/passwd", "broken", "rm", "/etc/group", "write", "/new", "x")
    done = pods.run("inspect", "--", "cat", "/etc/passwd", "cat", "/etc/group", "stat", "/new", status=1)
    assert "root:x:0:0" in done.out
    assert "broken" not in done.out


def test_the_host_name_is_the_pods_name_or_the_option(pods: Pods) -> None:
    def hostname(*words: str) -> str:
        return str(json.loads(pods.run(*words, "inspect", "--", *REPORT).out)["hostname"])

    assert hostname("--name", "called") == "called"
    assert hostname("--name", "other", "--hostname", "given.example") == "given.example"
    assert hostname().startswith("pod-")


def test_a_pod_without_network_has_only_loopback(pods: Pods) -> None:
    done = pods.run(
        "--net", "none", "busybox", "--", "sh", "-c", "ls /sys/class/net; cat /proc/net/dev | wc -l"
    )
    assert done.lines == ["lo", "3"]


def test_a_pod_on_the_hosts_network_sees_the_hosts_interfaces(pods: Pods) -> None:
    def of_pods() -> list[str]:
        return [name for _, name in socket.if_nameindex() if name.startswith(("vpod", "upod"))]

    eventually(lambda: not of_pods(), "interfaces of pods that have ended to be gone")
    done = pods.run("--net", "host", "busybox", "--", "sh", "-c", "tail -n +3 /proc/net/dev | cut -d: -f1")
    here = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    assert sorted(line.strip() for line in done.lines) == sorted(
        line.partition(":")[0].strip() for line in here
    )


def test_apps_of_a_pod_share_network_and_see_only_their_pods_processes(pods: Pods) -> None:
    one, two = reports(pods, "inspect", (), ())
    assert one["namespaces"]["net"] == two["namespaces"]["net"]
    assert one["namespaces"]["pid"] == two["namespaces"]["pid"] != os.readlink("/proc/self/ns/pid")
    assert one["namespaces"]["mnt"] != two["namespaces"]["mnt"]


def test_labels_and_ports_of_the_image_are_told(pods: Pods, changed: Any) -> None:
    image = changed("inspect", "--config.exposedports", "8080/tcp", "--config.label", "a.b=c d")
    done = pods.run(image, "--", "exit", "0")
    (app,) = json.loads(pods("inspect", done.uuid).out)[0]["manifest"]["apps"]
    assert app["ports"] == ["8080/tcp"]
    assert app["labels"]["a.b"] == "c d"


def test_a_socket_is_passed_to_its_app(pods: Pods) -> None:
    words = ("inspect", "--socket", "web=127.0.0.1:7777", "--", "listen-fds")
    client = ("inspect", "--name", "client", "--", "connect", "127.0.0.1", "7777")
    done = pods.run("--net", "none", "--exit-policy", "app:client", *words, "---", *client)
    assert "client  | web " in done.out
