"""PURE. Limits that change: from what there was and what is asked for to what is written where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.plan.limitchange import limits_after, resources_of, with_resources
from stage0.request import PodRequest
from stage1.contract import HugePages, NotFoundError, Resources, Throttle, UsageError
from stage1.limits import Groups
from stage1.running.limitchanges import bus_changes, file_changes
from tests.samples import app as sample_app
from tests.samples import pod as sample_pod
from tests.unit.test_limits import V1, V2

HOST = 16 * 2**30
DISK = "/dev/sda"
NUMBERS = {DISK: "8:0", "/dev/sdb": "8:16"}
BARE_V2 = V2._replace(booted=False)


def after(old: Resources, **words: object) -> Resources:
    return limits_after(old, PodRequest(app=(), **words), HOST)  # type: ignore[arg-type]


FULL = Resources(
    memory_max=1 << 30, swap_max=1 << 29, cpu_quota=1500, cpu_weight=50, cpus="0-1", pids_max=99,
    io_max=(Throttle(DISK, read_bytes=1 << 20, write_operations=5),), huge_pages=(HugePages(2 << 20, 4 << 20),),
)  # fmt: skip


def test_what_is_named_is_new_and_all_else_stays() -> None:
    assert after(FULL, pids_limit="7") == FULL._replace(pids_max=7)
    assert after(FULL, memory="2G", cpus=0.5) == FULL._replace(memory_max=2 << 30, cpu_quota=500)
    assert after(Resources(), memory="25%") == Resources(memory_max=HOST // 4)


@pytest.mark.parametrize("word", ["none", "max", "unlimited", "infinity", "-1", "NONE"])
def test_a_word_takes_a_limit_away(word: str) -> None:
    found = after(FULL, cpus=word, pids_limit=word, cpuset_cpus=word, cpu_weight=word, memory_swap=word)
    assert found == FULL._replace(cpu_quota=None, pids_max=None, cpus=None, cpu_weight=None, swap_max=None)


def test_memory_and_swap_together_go_with_memory() -> None:
    assert after(FULL, memory="none") == FULL._replace(memory_max=None, swap_max=None)
    assert after(FULL, memory_swap="1G").swap_max == 0  # the memory there was
    assert after(FULL, memory="2G", memory_swap="3G").swap_max == 1 << 30
    with pytest.raises(UsageError, match="--memory-swap"):
        after(Resources(), memory_swap="1G")
    with pytest.raises(UsageError, match="--memory-swap"):
        after(FULL, memory="none", memory_swap="1G")


def test_disks_and_pages_are_changed_one_by_one() -> None:
    other = after(FULL, io_max=("/dev/sdb:wbps=1M",), hugepages=("1G=2G",))
    assert [one.device for one in other.io_max] == [DISK, "/dev/sdb"]
    assert [one.size for one in other.huge_pages] == [2 << 20, 1 << 30]
    assert after(FULL, io_max=(f"{DISK}:riops=9",)).io_max == (Throttle(DISK, read_operations=9),)
    assert after(other, io_max=(f"{DISK}:none",), hugepages=("2M=none",)) == other._replace(
        io_max=other.io_max[1:], huge_pages=other.huge_pages[1:]
    )
    assert after(other, io_max=("none",), hugepages=("none",)) == other._replace(io_max=(), huge_pages=())


def test_an_app_of_a_pod_is_changed_alone() -> None:
    pod = sample_pod(apps=(sample_app(name="a"), sample_app(name="b")))
    changed = with_resources(pod, "b", FULL, best_effort=True)
    assert (resources_of(changed, "b"), resources_of(changed, "a"), resources_of(changed, None)) == (
        FULL, Resources(), Resources(),
    )  # fmt: skip
    assert changed.best_effort
    assert with_resources(changed, None, FULL, best_effort=False).best_effort
    with pytest.raises(NotFoundError, match="no app 'c'"):
        resources_of(pod, "c")


def written(old: Resources, new: Resources, groups: Groups) -> list[tuple[str, str, str]]:
    return [(one.file.name, one.file.value, one.before) for one in file_changes(old, new, groups, NUMBERS)]


def test_only_what_differs_is_written_and_what_was_there_is_known() -> None:
    assert written(FULL, FULL, V1) == written(FULL, FULL, BARE_V2) == []
    assert written(FULL, FULL._replace(pids_max=5), V1) == [("pids.max", "5", "99")]
    assert written(Resources(), Resources(cpu_quota=500), BARE_V2) == [
        ("cpu.max", "50000 100000", "max 100000")
    ]


def test_a_limit_that_is_taken_away_is_written_as_none() -> None:
    v1 = {name: value for name, value, _ in written(FULL, Resources(), V1)}
    assert v1 == {
        "memory.limit_in_bytes": "-1",
        "memory.memsw.limit_in_bytes": "-1",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "-1",
        "cpu.shares": "1024",
        "cpuset.cpus": "0-3",
        "pids.max": "max",
        "blkio.throttle.read_bps_device": "8:0 0",
        "blkio.throttle.write_iops_device": "8:0 0",
        "hugetlb.2MB.limit_in_bytes": "-1",
    }
    v2 = {name: value for name, value, _ in written(FULL, Resources(), BARE_V2)}
    assert v2["io.max"] == "8:0 rbps=max wbps=max riops=max wiops=max"
    assert (v2["memory.max"], v2["memory.swap.max"], v2["cpuset.cpus"]) == ("max", "max", "\n")


def test_rates_that_a_disk_does_not_have_any_more_are_written_too() -> None:
    new = FULL._replace(io_max=(Throttle(DISK, read_operations=9),))
    assert written(FULL, new, BARE_V2) == [
        (
            "io.max",
            "8:0 rbps=max wbps=max riops=9 wiops=max",
            "8:0 rbps=1048576 wbps=max riops=max wiops=5",
        )
    ]


SIZES = st.none() | st.integers(1, 100).map(lambda number: number << 20)


@given(st.tuples(SIZES, SIZES), st.tuples(SIZES, SIZES))
def test_at_no_moment_is_memory_above_memory_with_swap(
    old: tuple[int | None, int | None], new: tuple[int | None, int | None]
) -> None:
    """The kernel of v1 would refuse it; swap is limited only beside memory."""
    before, afterwards = (
        Resources(memory_max=memory, swap_max=None if memory is None else swap)
        for memory, swap in (old, new)
    )
    infinite = 1 << 62
    now = {"memory.limit_in_bytes": infinite, "memory.memsw.limit_in_bytes": infinite}
    for change in file_changes(Resources(), before, V1, {}):
        now[change.file.name] = int(change.file.value)
    for change in file_changes(before, afterwards, V1, {}):
        value = int(change.file.value)
        now[change.file.name] = infinite if value == -1 else value
        assert now["memory.limit_in_bytes"] <= now["memory.memsw.limit_in_bytes"]


def test_systemd_is_told_what_goes() -> None:
    found = bus_changes(FULL, Resources(pids_max=5))
    assert found[b"TasksMax"] == 5
    assert found[b"MemoryMax"] == found[b"CPUWeight"] == 2**64 - 1
    assert found[b"AllowedCPUs"] == b""
    assert found[b"IOReadBandwidthMax"] == [(b"/dev/sda", 2**64 - 1)]
    two = FULL._replace(io_max=(Throttle("/dev/sdb", read_bytes=9),))
    assert bus_changes(FULL, two)[b"IOReadBandwidthMax"] == [(b"/dev/sda", 2**64 - 1), (b"/dev/sdb", 9)]
