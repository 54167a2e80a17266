"""EFFECT. The pod directory is the interface: rendered and started by hand, without stage0, or written by hand."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.root.pods import REPO, Pods, eventually, scratch_directory

pytestmark = pytest.mark.root

MONITOR = REPO / "stage1" / "native" / "bin" / "monitor"
UUID = "0f5b1f0e-2a4f-4b1c-9a53-1d1a6a4f0001"


def stage1(*words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`python -m stage1 WORDS`, with nothing of stage0 to import."""
    script = (
        "import runpy, sys\n"
        "class Refused:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'stage0':\n"
        "            raise ImportError('stage0 is not here')\n"
        "sys.meta_path.insert(0, Refused())\n"
        f"sys.argv = ['stage1', *{[str(word) for word in words]!r}]\n"
        "runpy.run_module('stage1', run_name='__main__', alter_sys=True)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=check,
        timeout=90,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def prepared(pods: Pods) -> Path:
    """The directory of a prepared pod."""
    words = (
        "--net",
        "none",
        "inspect",
        "--volume",
        "data:/d",
        "--env",
        "ODD=\x01",
        "--",
        "write",
        "/d/x",
        "x",
        "print",
        "by hand",
        "exit",
        "6",
    )
    return pods.directory(pods("prepare", *words).out.strip())


def test_a_rendered_pod_can_be_started_by_hand(pods: Pods, prepared: Path) -> None:
    run = Path(pods("render", prepared.name).out.strip())
    assert run == prepared / "run"
    assert json.loads((run / "nspawn.json").read_text())["argv"][0].endswith("systemd-nspawn")
    done = subprocess.run([MONITOR, prepared], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (6, "by hand\n")
    assert json.loads((run / "status" / "inspect.json").read_text())["code"] == 6


def test_render_writes_the_same_as_a_run(pods: Pods, prepared: Path) -> None:
    def written() -> dict[str, bytes]:
        names = ("units", "etc", "apps", "launch", "policy", "nspawn.json")
        files = [
            path
            for name in names
            for path in [prepared / "run" / name, *(prepared / "run" / name).rglob("*")]
        ]
        return {str(path.relative_to(prepared)): path.read_bytes() for path in files if path.is_file()}

    pods("render", prepared)
    before = written()
    shutil.rmtree(prepared / "run")
    stage1("run", prepared, check=False)
    assert written() == before


def test_deleting_run_gives_back_what_was_prepared(pods: Pods, prepared: Path) -> None:
    before = sorted(str(path) for path in prepared.rglob("*"))
    pods("render", prepared)
    shutil.rmtree(prepared / "run")
    assert sorted(str(path) for path in prepared.rglob("*")) == before
    assert pods("start", prepared.name, status=6).out == "by hand\n"


def test_stage1_runs_a_pod_without_stage0(prepared: Path) -> None:
    done = stage1("run", prepared, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (6, "by hand\n", "")


def test_stage1_renders_a_pod_without_stage0(prepared: Path) -> None:
    assert stage1("render", prepared).returncode == 0
    assert (prepared / "run" / "launch").read_bytes().startswith(b"version\x001\0\0")


def test_stage1_says_what_is_no_pod(pods: Pods) -> None:
    for verb in ("run", "render"):
        done = stage1(verb, pods.scratch, check=False)
        assert done.returncode == 125
        assert len(done.stderr.splitlines()) == 2
    assert stage1("dance", pods.scratch, check=False).returncode == 2
    assert stage1(check=False).returncode == 2


def test_a_pod_started_by_hand_is_a_pod_to_everyone(pods: Pods) -> None:
    pods.run(
        "inspect", "--", "exit", "0"
    )  # bridge and tables of the host are made by the first `pod run` after a boot
    uuid = pods(
        "prepare", "--name", "manual", "inspect", "--", "trap", "TERM", "3", "print", "ready", "pause"
    ).out.strip()
    directory = pods.directory(uuid)
    pods("render", "manual")
    with subprocess.Popen([MONITOR, directory], stdout=subprocess.PIPE, text=True) as monitor:
        assert monitor.stdout
        assert monitor.stdout.readline() == "ready\n"
        assert pods("rm", "manual", status=125)
        again = subprocess.run([MONITOR, directory], capture_output=True, text=True, check=False)
        assert (again.returncode, "already running" in again.stderr) == (125, True)
        monitor.send_signal(signal.SIGTERM)
        assert monitor.wait(30) == 0
    assert json.loads((directory / "run/status/inspect.json").read_text())["code"] == 3


def test_the_lock_says_that_a_pod_runs_whoever_holds_it(pods: Pods, prepared: Path) -> None:
    descriptor = os.open(prepared, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        assert pods("rm", prepared.name, status=125)
        assert pods("start", prepared.name, status=125)
        assert pods("gc", "--prepared-older-than", "0").out == ""
    finally:
        os.close(descriptor)
    assert pods("gc", "--prepared-older-than", "0").out == f"{prepared.name}\n"


def manifest(layers: list[str], **changes: Any) -> dict[str, Any]:
    """`pod.json` by hand, as the contract's page describes it; the rest is left to defaults."""
    user = {"name": "app", "uid": 1000, "gid": 1000}
    image = {"name": "none", "digest": "sha256:" + "0" * 64}
    app = {
        "name": "hand", "image": image, "layers": layers, "argv": ["/inspect", "stat", "/data", "exit", "8"],
        "env": ["PATH=/", "A=b"], "user": user, "workdir": "/", "labels": {},
        "mounts": [{"volume": "data", "target": "/data"}],
    }  # fmt: skip
    return {
        "version": 1, "uuid": UUID, "name": None, "hostname": "by-hand", "created": "2026-01-31T12:00:00.000000Z",
        "apps": [{**app, **changes}], "volumes": [{"name": "data", "kind": "empty"}],
    }  # fmt: skip


@pytest.fixture
def by_hand(pods: Pods) -> Iterator[Path]:
    """A pod directory that no program of ours made, in a data root that has nothing but one layer."""
    (layer,) = [path for path in (pods.root / "layers").iterdir() if (path / "inspect-setuid").exists()]
    with scratch_directory(pods.scratch.parent) as root:
        (root / "layers").mkdir()
        shutil.copytree(layer, root / "layers" / layer.name, symlinks=True)
        directory = root / "pods" / "run" / UUID
        for place in (
            "rootfs",
            "base/upper",
            "base/work",
            "apps/hand/upper",
            "apps/hand/work",
            "volumes/data",
        ):
            (directory / place).mkdir(parents=True)
        (directory / "volumes" / "data").chmod(0o750)
        directory.joinpath("pod.json").write_text(json.dumps(manifest([layer.name.replace("-", ":", 1)])))
        yield directory


def test_a_pod_directory_written_by_hand_runs(by_hand: Path) -> None:
    done = stage1("run", by_hand, check=False)
    assert done.stderr == ""
    assert done.returncode == 8
    assert json.loads(done.stdout)["mode"] == "0750"
    assert json.loads((by_hand / "run" / "result.json").read_text())["status"] == 8


def test_a_pod_directory_written_by_hand_is_a_pod_of_the_command_line(pods: Pods, by_hand: Path) -> None:
    root = by_hand.parents[2]
    done = pods("--dir", root, "start", UUID, status=8)
    assert json.loads(done.out)["mode"] == "0750"
    told = json.loads(pods("--dir", root, "status", "--json", UUID).out)
    assert told["apps"][0]["result"]["code"] == 8
    pods("--dir", root, "rm", UUID)
    assert not by_hand.exists()


def test_a_mistake_in_a_manifest_written_by_hand_is_told_with_its_path(by_hand: Path) -> None:
    file = by_hand / "pod.json"
    document = json.loads(file.read_text())
    document["apps"][0]["colour"] = "red"
    file.write_text(json.dumps(document))
    done = stage1("run", by_hand, check=False)
    assert done.returncode in {2, 125}
    what, todo = done.stderr.splitlines()
    assert "colour" in what
    assert todo


def test_the_json_schema_of_the_contract_knows_every_key(prepared: Path) -> None:
    schema = json.loads((REPO / "stage1" / "contract" / "pod.schema.json").read_text())
    document = json.loads((prepared / "pod.json").read_text())
    assert set(document) <= set(schema["properties"])
    assert set(schema["required"]) <= set(document)


def test_the_files_of_a_running_pod_are_those_of_the_contract(pods: Pods) -> None:
    uuid = pods.detach("inspect", "--", "pause")
    run = pods.directory(uuid) / "run"
    pid, start = (run / "leader").read_text().split()
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19] == start
    assert (run / "ready").exists()
    names = {path.name for path in run.iterdir()}
    assert {
        "units",
        "etc",
        "nspawn.json",
        "launch",
        "streams",
        "logs",
        "console.log",
        "monitor",
        "status",
    } <= names
    assert {path.name for path in (run / "etc").iterdir()} == {"passwd", "group", "machine-id", "policy"}
    pods("stop", uuid)
    result = json.loads((run / "result.json").read_text())
    assert set(result) == {
        "status",
        "reason",
        "by",
        "supervisor",
        "signal",
        "started_at",
        "ready_at",
        "ended_at",
        "message",
    }
    eventually((run / "status" / "stopping").exists, "the mark of the stop")


def test_a_diff_says_what_another_start_would_change(pods: Pods) -> None:
    uuid = pods("prepare", "inspect", "--name", "web", "--", "exit", "0").out.strip()
    assert "+++ new/units/app-web.service" in pods("render", "--diff", uuid, status=1).out
    pods("start", uuid)
    before = sorted(path for path in pods.directory(uuid).rglob("*"))
    assert pods("render", "--diff", uuid).out == ""
    manifest = pods.directory(uuid) / "pod.json"
    document = json.loads(manifest.read_bytes())
    document["apps"][0]["stop_time"] = 33.0
    manifest.write_text(json.dumps(document))
    changed = pods("render", "--diff", uuid, status=1).out.splitlines()
    assert [line for line in changed if line[0] in "+-"] == [
        "--- run/units/app-web.service",
        "+++ new/units/app-web.service",
        "-TimeoutStopSec=10s",
        "+TimeoutStopSec=33s",
    ]
    assert sorted(path for path in pods.directory(uuid).rglob("*")) == before
