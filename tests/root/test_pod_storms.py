"""EFFECT. Many commands at once: every pod ends well, nobody hangs, nothing half done is met or left."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.root.pods import IMAGES, Done, Pods, eventually

pytestmark = pytest.mark.root

# A pod that was there a moment ago may be gone, running or ended by now: those answers, and no others, are right.
BENIGN = ("no pod ", "is not running", "not running", "is running", "is deleting", "was moved", "is preparing",
          "is exited", "is taken", "is aborted", "is prepared")  # fmt: skip


def at_once(actions: Sequence[Callable[[], Done]], workers: int) -> list[Done]:
    """Run them all, so many at a time."""
    with ThreadPoolExecutor(workers) as pool:
        return [future.result() for future in [pool.submit(action) for action in actions]]


def is_benign(done: Done) -> bool:
    """Whether a command did what it should or said that another was faster."""
    return done.status == 0 or (done.status == 125 and any(word in done.err for word in BENIGN))


def complaints(found: Sequence[Done]) -> list[tuple[tuple[str, ...], int, str]]:
    """Those that are not benign."""
    return [(done.argv, done.status, done.err) for done in found if not is_benign(done)]


def test_twenty_runs_at_once_all_end_well(pods: Pods) -> None:
    def run(number: int) -> Done:
        actions = ("print", str(number), "exit", str(number))
        return pods("run", "--name", f"n{number}", "inspect", "--", *actions, status=None)

    found = at_once([partial(run, number) for number in range(20)], 20)
    assert [(done.status, done.out, done.err) for done in found] == [(n, f"{n}\n", "") for n in range(20)]
    assert len(pods.all()) == 20
    for number in range(0, 20, 5):
        assert pods.endings(f"n{number}") == {"inspect": f"exited {number}"}
    pods("gc")
    assert pods.all() == []


def test_twenty_runs_at_once_in_an_empty_data_root_all_end_well(pods: Pods) -> None:
    """The base root, the caches and the unpacked layers do not exist yet: all make them at once."""
    fresh = Pods(root=pods.scratch.parent / "fresh", scratch=pods.scratch, count=pods.count + 1000)
    run = ("run", f"oci:{IMAGES}/inspect:latest", "--", "print", "x", "exit", "7")
    found = at_once([partial(fresh, *run, status=None)] * 20, 20)
    assert [(done.status, done.out, done.err) for done in found] == [(7, "x\n", "")] * 20
    fresh.clear()
    assert not fresh.left()


def test_only_one_of_many_gets_a_name(pods: Pods) -> None:
    found = at_once([partial(pods, "prepare", "--name", "wanted", "inspect", status=None)] * 12, 12)
    assert sorted(done.status for done in found) == [0] + [125] * 11
    assert all("is taken" in done.err for done in found if done.status)
    assert len(pods.all()) == 1


def test_only_one_of_many_starts_a_pod(pods: Pods) -> None:
    place = pods.new_path("refused")
    place.mkdir()
    words = ("--volume", f"{place}:/refused", "inspect", "--", "print", "once", "wait-file", "/refused/all")
    uuid = pods("prepare", *words).out.strip()
    with ThreadPoolExecutor(8) as pool:
        starts = [pool.submit(pods, "start", uuid, status=None) for _ in range(8)]
        eventually(lambda: sum(start.done() for start in starts) == 7, "the others to be refused")
        (place / "all").touch()
    found = [start.result() for start in starts]
    assert not complaints(found)
    assert [done.status for done in found].count(0) == 1
    assert pods.log(uuid) == ["once"]


def test_many_stops_of_one_pod_all_return_when_it_has_ended(pods: Pods) -> None:
    uuid = pods.detach("inspect", "--", "trap", "TERM", "0", "pause")
    found = at_once([partial(pods, "stop", uuid, status=None)] * 8, 8)
    assert not complaints(found)
    assert pods.status(uuid)["state"] == "exited"


def test_two_stops_of_a_pod_do_not_kill_it(pods: Pods) -> None:
    """The second SIGTERM to a foreground pod kills: a second `pod stop` is a wish of the same kind as the first."""
    words = ("--stop-time", "20", "--", "trap", "TERM", "3", "print", "ready", "pause")
    pod = pods.start("inspect", *words)
    pod.prints("ready")
    at_once([partial(pods, "stop", pod.uuid, status=None)] * 4, 4)
    pod.done(0)
    assert pods.endings(pod.uuid) == {"inspect": "stopped 3"}


def test_many_removals_of_one_pod_leave_nothing(pods: Pods) -> None:
    uuid = pods.run("inspect", "--", "exit", "0").uuid
    removals = [partial(pods, "rm", uuid, status=None), partial(pods, "gc", status=None)] * 4
    assert not complaints(at_once(removals, 8))
    assert not pods.left(uuid)


def test_gc_takes_no_pod_from_those_who_make_it(pods: Pods) -> None:
    run = partial(pods, "run", "inspect", "--", "exit", "3", status=None)
    found = at_once([run, partial(pods, "gc", status=None)] * 15, 6)
    assert [(done.status, done.err) for done in found[::2]] == [(3, "")] * 15
    assert [(done.status, done.err) for done in found[1::2]] == [(0, "")] * 15


def a_command(chance: random.Random, name: str) -> tuple[str, ...]:
    """Anything that can be done to a pod."""
    return chance.choice(
        [
            ("run", "--detach", "--name", name, "inspect", "--", "pause"),
            ("run", "--detach", "--name", name, "inspect", "--", "pause"),
            ("run", "--rm", "--name", name, "inspect", "--", "sleep", "0.2", "exit", "0"),
            ("prepare", "--name", name, "inspect", "--", "pause"),
            ("start", "--detach", name),
            ("stop", name),
            ("kill", name),
            ("rm", name),
            ("rm", "--force", name),
            ("gc",),
            ("ps", "--all"),
            ("status", name),
            ("logs", name),
        ]
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_of_commands_on_the_same_names_ends_with_nothing_left(pods: Pods, seed: int) -> None:
    chance = random.Random(seed)
    commands = [a_command(chance, chance.choice("abc")) for _ in range(60)]
    found = at_once([partial(pods, *words, status=None) for words in commands], 8)
    assert not [done.err for done in found if "Traceback" in done.err]
    odd = [
        (argv, status, err) for argv, status, err in complaints(found) if not is_killed_early(argv, status)
    ]
    assert not odd
    pods.clear()
    assert not pods.left()


def is_killed_early(argv: tuple[str, ...], status: int) -> bool:
    """A detached pod that another command ends before it is ready has that end's status."""
    return argv[0] in {"run", "start"} and status in {125, 137}
