"""Power lost, or the process killed, after any step of an import: a name never means an image that is not whole.

The system calls of a real import are recorded with strace. They say what would be on disk at a moment: names that a
directory got are there for certain once the directory was synced, content once its file or file system was. What was
not synced may be there or not, each by itself; content may also be there in part.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from stage0.image import Store
from stage0.image.verify import Verification, verify
from tests.conftest import needs_program
from tests.image_archives import archive, directory, file, write_layout

pytestmark = pytest.mark.root

REPOSITORY = Path(__file__).parents[2]
OLD = [archive(directory("etc", mode=0o700), file("etc/old", b"old" * 100))]
NEW = [OLD[0], archive(file("etc/new", b"new" * 300)), archive(file("srv/x/y", b"more"))]
CALLS = "rename,renameat,renameat2,fsync,fdatasync,syncfs"
CHANGING = ("rename", "fsync", "syncfs", "mkdir", "unlink", "rmdir", "flock")


def import_command(root: Path, layout: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "stage0",
        "--dir",
        str(root),
        "image",
        "import",
        f"oci:{layout}",
        "--name",
        "it:1",
    ]


class Step(NamedTuple):
    """A recorded call: a rename with both its paths, or a sync of one."""

    call: str
    path: Path
    source: Path | None


class Recorded(NamedTuple):
    """A store before and after an import, and what the import did in between."""

    before: Path
    after: Path
    steps: tuple[Step, ...]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    needs_program("strace")
    place = tmp_path_factory.mktemp("recorded")
    root, log = place / "data", place / "log"
    old, new = write_layout(place / "old", OLD), write_layout(place / "new", NEW)
    subprocess.run(import_command(root, old), cwd=REPOSITORY, check=True, capture_output=True)
    subprocess.run(["cp", "-a", root, place / "before"], check=True)
    words = ["strace", "-f", "-y", "-s", "4096", "-e", f"trace={CALLS}", "-o", log]
    subprocess.run([*words, *import_command(root, new)], cwd=REPOSITORY, check=True, capture_output=True)
    return Recorded(place / "before", root, tuple(steps_of(log.read_text(), root)))


def steps_of(log: str, root: Path) -> Iterator[Step]:
    for line in log.splitlines():
        found = re.match(r"\d+\s+(\w+)\((.*)\)\s+= 0$", line)
        if not found:
            continue
        call, words = found[1], found[2]
        if call.startswith("rename"):
            source, target = re.findall(r'"([^"]*)"', words)
            yield Step("rename", Path(target).relative_to(root), Path(source).relative_to(root))
        else:
            path = Path(re.search(r"<([^>]*)>", words)[1])  # type: ignore[index]
            yield Step("syncfs" if call == "syncfs" else "fsync", path.relative_to(root), None)


def test_the_recording_shows_the_order_that_is_documented(recorded: Recorded) -> None:
    calls = [step.call for step in recorded.steps]
    first, last = calls.index("syncfs"), len(calls) - 1
    renames = [step for step in recorded.steps if step.call == "rename"]
    assert calls[:first].count("rename") == 0, "nothing gets a name before its content is on disk"
    assert renames[-1].path == Path("images/index.json")
    assert recorded.steps[last] == Step("fsync", Path("images"), None)
    *before, index = [number for number, step in enumerate(recorded.steps) if step.call == "rename"]
    synced = {step.path for step in recorded.steps[before[-1] : index] if step.call == "fsync"}
    assert {recorded.steps[number].path.parent for number in before} <= synced
    assert recorded.steps[index].source in synced, "the index itself is on disk before it gets its name"
    assert len(before) >= 8


def states(recorded: Recorded, cut: int) -> Iterator[tuple[list[Step], set[Path | None]]]:
    """What may be there when the power goes after so many steps: renames, and what of their content is not whole."""
    certain, open_ones, whole = [], list[Step](), set[Path | None]()
    everything = False
    for step in recorded.steps[:cut]:
        if step.call == "rename":
            open_ones.append(step)
        elif step.call == "syncfs":
            everything = True
        else:
            whole.add(step.path)
            certain += [one for one in open_ones if one.path.parent == step.path]
            open_ones = [one for one in open_ones if one.path.parent != step.path]
    dice = random.Random(cut)
    choices = [[], open_ones, *([one for one in open_ones if dice.random() < 0.5] for _ in range(4))]
    for chosen in choices:
        kept = certain + chosen
        torn = {one.source for one in kept if not _on_disk(one, everything, whole)}
        yield kept, torn


def _on_disk(step: Step, everything: bool, whole: set[Path | None]) -> bool:
    """Scratch of the batch is written by syncfs; the index, which comes later, by its own fsync."""
    return step.source in whole or (everything and step.path != Path("images/index.json"))


def build(recorded: Recorded, place: Path, kept: list[Step], torn: set[Path | None]) -> Store:
    subprocess.run(["cp", "-a", recorded.before, place], check=True)
    for step in kept:
        target, content = place / step.path, recorded.after / step.path
        if content.is_dir():
            if not target.exists():
                target.mkdir() if step.source in torn else subprocess.run(
                    ["cp", "-a", content, target], check=True
                )
        else:
            data = content.read_bytes()
            target.write_bytes(data[: len(data) // 2] if step.source in torn else data)
    for number, folder in enumerate(("images", "layers", "digested")):  # what was under way, in part
        (place / folder / f"tmp-{number}").mkdir()
        (place / folder / f"tmp-{number}/0").write_bytes(b"half")
    return Store(place)


def check(store: Store) -> str:
    """Every image that has a name is whole; a collection leaves what it needs and nothing else. The image named."""
    (image,) = store.images()
    for _ in range(2):
        run = Verification(store.paths, repair=False, busy=frozenset())
        assert verify(run, image.digest, (image.name,)).faults == ()
        store.gc(frozenset())
    assert not [
        path for folder in ("images", "layers", "digested") for path in (store.root / folder).glob("tmp-*")
    ]
    wanted = {layer.replace(":", "-") for layer in image.layers}
    assert {path.name.removesuffix(".implied") for path in store.paths.layers.iterdir()} == wanted
    assert [path.stem for path in store.paths.digested.iterdir()] == [image.digest[7:]]
    return image.digest


def test_wherever_the_power_goes_away_the_name_means_a_whole_image(
    recorded: Recorded, tmp_path: Path
) -> None:
    old, new = (Store(root).get("it:1").digest for root in (recorded.before, recorded.after))
    seen = []
    for cut in range(len(recorded.steps) + 1):
        for number, (kept, torn) in enumerate(states(recorded, cut)):
            place = tmp_path / f"{cut}-{number}"
            seen.append(check(build(recorded, place, kept, torn)))
            shutil.rmtree(place)
    assert seen[0] == old
    assert seen[-1] == new
    assert set(seen) == {old, new}


def test_the_check_sees_what_it_is_for(recorded: Recorded, tmp_path: Path) -> None:
    """Were the index renamed first, the name would mean an image that is not there."""
    index = [
        step for step in recorded.steps if step.path == Path("images/index.json") and step.call == "rename"
    ]
    with pytest.raises((AssertionError, ValueError)):
        check(build(recorded, tmp_path / "wrong", index, set()))


@pytest.mark.parametrize("call", CHANGING)
def test_killed_at_any_system_call_an_import_leaves_a_good_store(
    recorded: Recorded, tmp_path: Path, call: str
) -> None:
    """strace kills the import at its first, second, … call of a kind, until there are no more."""
    layout = write_layout(tmp_path / "new", NEW)
    root = tmp_path / "data"
    old, new = (Store(place).get("it:1").digest for place in (recorded.before, recorded.after))
    killed = 0
    while True:
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", recorded.before, root], check=True)
        kill = ["strace", "-e", f"inject={call}:signal=SIGKILL:when={killed + 1}", "-o", os.devnull]
        done = subprocess.run(
            [*kill, *import_command(root, layout)], cwd=REPOSITORY, capture_output=True, check=False
        )
        wait_for_children(root)
        assert check(Store(root)) in (old, new)
        if done.returncode == 0:
            break
        assert done.returncode == -9
        killed += 1
    assert killed >= {"syncfs": 1, "unlink": 0}.get(call, 3)


def wait_for_children(root: Path) -> None:
    """The foreman and the unpacking children die a moment after the import, and with them its locks."""
    Store(root).gc()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and list(Store(root).paths.layers.glob("tmp-*")):
        time.sleep(0.02)
        Store(root).gc()
