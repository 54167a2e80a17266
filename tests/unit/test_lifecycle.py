"""EFFECT. Where a pod is in its life, for one who looks and for many who act at once."""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import json
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stage0.pods import lifecycle, removal
from stage0.pods.lifecycle import Pod
from stage0.settings import Settings
from stage0.verbs import ps, status
from stage0.verbs.start import claim
from stage1.contract import ConflictError, DataRoot, NotFoundError, PodDir, State, codec
from tests.samples import app, pod

UUIDS = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(0xA0, 0xB0)]
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "data")


@pytest.fixture
def held() -> Iterator[list[int]]:
    """Locks to let go at the end of a test."""
    locks: list[int] = []
    yield locks
    for lock in locks:
        os.close(lock)


def make(root: DataRoot, uuid: str, state: State, name: str | None = None) -> PodDir:
    """A pod in a state, its lock free."""
    directory, lock = lifecycle.create(root, uuid)
    directory.manifest.write_bytes(codec.encode(pod(uuid=uuid, name=name)))
    if state is not State.PREPARING:
        directory = lifecycle.move(directory, state)
    if name:
        lifecycle.take_name(root, name, uuid)
    os.close(lock)
    return directory


def words(root: DataRoot) -> dict[str, str]:
    return {found.uuid: found.word for found in lifecycle.pods(root)}


# Words


def test_a_uuid_is_a_random_one_of_version_4() -> None:
    found = {lifecycle.new_uuid() for _ in range(100)}
    assert len(found) == 100
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", uuid)
        for uuid in found
    )


@pytest.mark.parametrize(
    ("state", "free", "locked"),
    [
        (State.EMBRYO, "aborted", "preparing"),
        (State.PREPARING, "aborted", "preparing"),
        (State.PREPARED, "prepared", "prepared"),
        (State.RUN, "exited", "running"),
        (State.EXITED, "exited", "exited"),
        (State.GARBAGE, "deleting", "deleting"),
    ],
)
def test_what_a_pod_is_follows_from_its_place_and_its_lock(
    state: State, free: str, locked: str, root: DataRoot, held: list[int]
) -> None:
    directory = make(root, UUIDS[0], state)
    assert words(root) == {UUIDS[0]: free}
    lock = lifecycle.lock_exclusive(directory)
    assert lock is not None
    held.append(lock)
    assert words(root) == {UUIDS[0]: locked}


def test_a_new_pod_is_locked_and_preparing_and_only_root_sees_it(root: DataRoot, held: list[int]) -> None:
    directory, lock = lifecycle.create(root, UUIDS[0])
    held.append(lock)
    assert directory == root.pod(State.PREPARING, UUIDS[0])
    assert lifecycle.is_running(directory)
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert not os.get_inheritable(lock)


def test_a_lock_ends_with_its_last_holder(root: DataRoot) -> None:
    directory, lock = lifecycle.create(root, UUIDS[0])
    copy = os.dup(lock)
    os.close(lock)
    assert lifecycle.is_running(directory)
    os.close(copy)
    assert not lifecycle.is_running(directory)


def test_a_lock_goes_along_when_a_pod_moves(root: DataRoot, held: list[int]) -> None:
    directory, lock = lifecycle.create(root, UUIDS[0])
    held.append(lock)
    moved = lifecycle.move(directory, State.RUN, durable=True)
    assert lifecycle.is_running(moved)
    assert not lifecycle.is_running(directory)
    assert lifecycle.lock_exclusive(moved) is None
    assert lifecycle.lock_exclusive(directory) is None


def test_moving_what_is_not_there_is_for_the_caller_to_hear_of(root: DataRoot) -> None:
    directory = make(root, UUIDS[0], State.RUN)
    lifecycle.move(directory, State.GARBAGE)
    with pytest.raises(FileNotFoundError):
        lifecycle.move(directory, State.GARBAGE)


def test_one_who_only_looks_does_not_make_a_pod_seem_to_run(root: DataRoot, held: list[int]) -> None:
    """A reader's shared lock is waited for: `pod ps` in a loop must not make `pod start` fail."""
    directory = make(root, UUIDS[0], State.PREPARED)
    reader = os.open(directory.path, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)
    child = FORK.Process(target=time.sleep, args=(0.03,))
    child.start()
    os.close(reader)  # from here on only the child holds it
    lock = lifecycle.lock_exclusive(directory)
    child.join()
    assert lock is not None
    held.append(lock)


def test_a_directory_that_was_moved_while_it_was_opened_is_not_locked(root: DataRoot) -> None:
    directory = make(root, UUIDS[0], State.RUN)
    moved = lifecycle.move(directory, State.GARBAGE)
    directory.path.mkdir()
    descriptor = os.open(moved.path, os.O_RDONLY)
    assert not lifecycle._is_at(descriptor, directory.path)
    assert lifecycle._is_at(descriptor, moved.path)
    os.close(descriptor)


# Listing


def test_an_empty_root_has_no_pods(root: DataRoot) -> None:
    assert list(lifecycle.pods(root)) == []
    with pytest.raises(NotFoundError):
        lifecycle.find(root, "x")


def test_what_is_no_pod_is_not_listed(root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN)
    (root.state(State.RUN) / "lost+found").mkdir()
    (root.state(State.RUN) / UUIDS[1].upper()).mkdir()
    (root.state(State.RUN) / f".{UUIDS[1]}").mkdir()
    assert words(root) == {UUIDS[0]: "exited"}


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"apps": 5}', b'{"apps": [5, {"name": 1}, {"name": "x"}]}',
     b'{"apps": [{"name": "x", "image": {"name": "y"}}], "name": {}, "created": 5}', b'{"created": "yesterday"}',
     b'{"created": "2026-01-01"}'],
)  # fmt: skip
def test_a_damaged_pod_hides_no_other(
    damage: bytes, root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    make(root, UUIDS[0], State.RUN).manifest.write_bytes(damage)
    make(root, UUIDS[1], State.RUN, "fine")
    arguments = argparse.Namespace(all=True, quiet=False, json=False)
    assert ps.run(arguments, Settings(place=str(root.path))) == 0
    assert "fine" in capsys.readouterr().out
    assert status.status_of(lifecycle.find(root, UUIDS[0]))["apps"] == []
    assert lifecycle.images_in_use(root.path) == {app().image.digest}


# Finding


def test_a_pod_is_found_by_name_uuid_and_the_beginning_of_it(root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN, "shop")
    for reference in ("shop", UUIDS[0], UUIDS[0][:8], "000000a"):
        assert lifecycle.find(root, reference).uuid == UUIDS[0]


def test_a_beginning_of_several_is_refused(root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN)
    make(root, UUIDS[1], State.PREPARED)
    with pytest.raises(ConflictError, match="begins 2 UUIDs"):
        lifecycle.find(root, "000000a")


def test_a_short_word_is_a_name_or_nothing(root: DataRoot) -> None:
    """`db` and `a` are hexadecimal: they must not mean a pod that is not called so."""
    make(root, UUIDS[0], State.RUN)
    for count in (1, 2, 3):
        with pytest.raises(NotFoundError):
            lifecycle.find(root, UUIDS[0][:count])
    assert lifecycle.find(root, UUIDS[0][:4]).uuid == UUIDS[0]


@pytest.mark.parametrize(
    "reference",
    ["", "-", "x", "shop2", "../run", "/", ".", "..", "lost", "a\0b", "x" * 5000, "é", "[", "%n", UUIDS[9]],
)
def test_what_names_no_pod_is_an_error(reference: str, root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN, "shop")
    (root.state(State.RUN) / "lost+found").mkdir()
    with pytest.raises(NotFoundError) as caught:
        lifecycle.find(root, reference)
    assert caught.value.hint


def test_a_name_leads_nowhere_but_to_a_pod(root: DataRoot, tmp_path: Path) -> None:
    make(root, UUIDS[0], State.RUN)
    root.names.mkdir(exist_ok=True)
    (root.names / "evil").symlink_to("../../../etc")
    (tmp_path / "link").symlink_to(UUIDS[0])
    for reference in ("evil", f"{tmp_path}/link", "../../link"):
        with pytest.raises(NotFoundError):
            lifecycle.find(root, reference)


def test_a_name_that_looks_like_a_beginning_is_a_name(root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN, "000000a1")
    make(root, UUIDS[1], State.RUN)
    assert lifecycle.find(root, "000000a1").uuid == UUIDS[0]


# Names


def test_a_name_belongs_to_one_pod(root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN, "shop")
    make(root, UUIDS[1], State.RUN)
    with pytest.raises(ConflictError, match=UUIDS[0]):
        lifecycle.take_name(root, "shop", UUIDS[1])
    lifecycle.release_name(root, "shop", UUIDS[1])
    assert lifecycle.find(root, "shop").uuid == UUIDS[0]


def test_a_name_is_free_when_its_pod_is_gone_or_going(root: DataRoot) -> None:
    directory = make(root, UUIDS[0], State.RUN, "shop")
    lifecycle.move(directory, State.GARBAGE)
    make(root, UUIDS[1], State.RUN, "shop")
    assert lifecycle.find(root, "shop").uuid == UUIDS[1]


def test_a_name_that_is_a_beginning_of_another_pods_uuid_is_free(root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN)
    make(root, UUIDS[1], State.RUN, UUIDS[0][:8])
    assert lifecycle.find(root, UUIDS[0][:8]).uuid == UUIDS[1]


def test_a_damaged_name_can_be_taken(root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN)
    root.names.mkdir(exist_ok=True)
    (root.names / "shop").symlink_to("nonsense")
    lifecycle.take_name(root, "shop", UUIDS[0])
    assert lifecycle.find(root, "shop").uuid == UUIDS[0]


def test_names_of_pods_that_are_gone_are_released_and_others_stay(root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN, "stays")
    gone = make(root, UUIDS[1], State.RUN, "goes")
    gone.manifest.unlink()
    gone.path.rmdir()
    removal.release_stale_names(root)
    assert os.listdir(root.names) == ["stays"]
    removal.release_stale_names(DataRoot(root.path / "none"))


# Removing


def test_a_pod_goes_with_its_name_and_all_it_wrote(root: DataRoot) -> None:
    directory = make(root, UUIDS[0], State.RUN, "shop")
    (directory.path / "run/deep/er").mkdir(parents=True)
    assert removal.remove(lifecycle.find(root, "shop"))
    assert words(root) == {}
    assert os.listdir(root.names) == []
    assert [path for state in State for path in root.state(state).iterdir()] == []


def test_a_pod_that_runs_is_not_removed(root: DataRoot, held: list[int]) -> None:
    directory = make(root, UUIDS[0], State.RUN, "shop")
    lock = lifecycle.lock_exclusive(directory)
    assert lock is not None
    held.append(lock)
    assert not removal.remove(lifecycle.find(root, "shop"))
    assert lifecycle.find(root, "shop").word == "running"


def test_half_a_pod_is_removed_wherever_it_got_to(root: DataRoot) -> None:
    for state, uuid in zip(State, UUIDS, strict=False):
        make(root, uuid, state)
    for found in list(lifecycle.pods(root)):
        assert removal.remove(found)
    assert words(root) == {}


def test_a_pod_that_someone_else_removed_is_no_error(root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN)
    found = lifecycle.find(root, UUIDS[0])
    assert removal.remove(found)
    assert not removal.remove(found)


# Many at once


def at_once(job: Callable[[int], object], count: int) -> list[object]:
    """Run a job in as many processes at once and return what each said."""
    barrier = FORK.Barrier(count)
    answers = FORK.SimpleQueue()

    def run(number: int) -> None:
        barrier.wait()
        try:
            answers.put((number, job(number)))
        except BaseException as error:
            answers.put((number, repr(error)))

    children = [FORK.Process(target=run, args=(number,)) for number in range(count)]
    for child in children:
        child.start()
    found = dict(answers.get() for _ in children)
    for child in children:
        child.join()
    return [found[number] for number in range(count)]


def test_of_many_who_want_a_name_one_gets_it(root: DataRoot) -> None:
    for uuid in UUIDS:
        make(root, uuid, State.RUN)
    root.names.mkdir(exist_ok=True)
    (root.names / "shop").symlink_to("00000000-0000-4000-8000-000000000000")  # of a pod that is gone

    def take(number: int) -> str:
        try:
            lifecycle.take_name(root, "shop", UUIDS[number])
        except ConflictError:
            return "taken"
        return UUIDS[number]

    answers = at_once(take, len(UUIDS))
    assert min(map(str, answers)) == os.readlink(root.names / "shop")
    assert answers.count("taken") == len(UUIDS) - 1


def test_of_many_who_remove_a_pod_one_does(root: DataRoot) -> None:
    make(root, UUIDS[0], State.RUN, "shop")
    found = lifecycle.find(root, "shop")
    assert sorted(map(str, at_once(lambda _: removal.remove(found), 8))) == ["False"] * 7 + ["True"]


def test_of_many_who_start_a_pod_one_does(root: DataRoot) -> None:
    directory = make(root, UUIDS[0], State.PREPARED)
    assert [lock is not None for lock in at_once(lambda _: lifecycle.lock_exclusive(directory), 1)] == [True]

    def start(_: int) -> bool:
        try:
            claim(Pod(directory, State.PREPARED, False))
        except ConflictError:
            return False
        time.sleep(0.2)  # a pod runs for a while
        return True

    assert sorted(map(str, at_once(start, 8))) == ["False"] * 7 + ["True"]


def live_and_die(root: DataRoot, number: int) -> str:
    """Make pods, start them, end them, remove them, always under the same few names."""
    for round_ in range(8):
        uuid = lifecycle.new_uuid()
        directory, lock = lifecycle.create(root, uuid)
        name = f"n{(number + round_) % 3}"
        try:
            lifecycle.take_name(root, name, uuid)
        except ConflictError:
            name = ""
        directory.manifest.write_bytes(codec.encode(pod(uuid=uuid, name=name or None)))
        directory = lifecycle.move(directory, State.RUN)
        assert lifecycle.find(root, uuid).word == "running"
        if name:
            assert lifecycle.find(root, name).uuid == uuid
        os.close(lock)
        with contextlib.suppress(NotFoundError):
            removal.remove(lifecycle.find(root, uuid))
    return "done"


def look_and_sweep(root: DataRoot) -> str:
    """What `pod ps` and `pod gc` do, over and over."""
    for _ in range(40):
        for found in list(lifecycle.pods(root)):
            lifecycle.read_manifest(found.directory)
            if not found.running:
                removal.remove(found)
        removal.release_stale_names(root)
    return "done"


def test_pods_may_be_made_listed_and_removed_by_all_at_once(root: DataRoot) -> None:
    """Nobody loses a pod that lives, nobody gets an error, and nothing is left."""
    answers = at_once(lambda number: look_and_sweep(root) if number < 3 else live_and_die(root, number), 10)
    assert answers == ["done"] * 10
    look_and_sweep(root)
    assert words(root) == {}
    assert os.listdir(root.names) == []


def test_a_pod_is_told_once_while_it_moves_on(root: DataRoot) -> None:
    def travel(_: int) -> str:
        directory = root.pod(State.EMBRYO, UUIDS[0])
        for state in list(State)[1:]:
            directory = lifecycle.move(directory, state)
        return "there"

    for _ in range(20):
        directory = make(root, UUIDS[0], State.PREPARING)
        lifecycle.move(directory, State.EMBRYO)
        _, counted = at_once(lambda number: travel(0) if number == 0 else len(list(lifecycle.pods(root))), 2)
        assert counted == 1
        removal.remove(lifecycle.find(root, UUIDS[0]))


def test_an_error_that_is_not_about_the_lock_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError) as caught:
        lifecycle.is_running(PodDir(tmp_path / "loop"))
    assert caught.value.errno == errno.ELOOP


def test_what_is_no_directory_is_no_pod_that_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not lifecycle.is_running(PodDir(tmp_path / "file"))
    assert not lifecycle.is_running(PodDir(tmp_path / "none"))


def test_a_manifest_is_read_as_it_is(root: DataRoot) -> None:
    directory = make(root, UUIDS[0], State.RUN, "shop")
    assert lifecycle.read_manifest(directory) == json.loads(directory.manifest.read_bytes())
    assert lifecycle.read_manifest(PodDir(root.path / "none")) == {}
