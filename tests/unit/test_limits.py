"""PURE. Limits: from words to numbers, and from numbers to what systemd and the kernel read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0 import quantities
from stage0.plan.limitchange import OPTIONS
from stage0.plan.resources import oom_score_adjust, resources, ulimits
from stage0.request import AppRequest, PodRequest
from stage1 import limits
from stage1.contract import Resources, Throttle, Ulimit, UsageError
from stage1.contract.limits import broken_resources, broken_ulimits
from stage1.limits import Groups, Rights
from tests.samples import app as sample_app
from tests.samples import pod as sample_pod

HOST = 16 * 2**30
ALL = ("cpu", "cpuset", "io", "memory", "pids")
V2 = Groups(
    unified=True,
    booted=True,
    controllers=ALL,
    places={},
    swap=True,
    processors="0-3",
    rights=Rights({}, -1000),
)
V1 = V2._replace(unified=False, booted=False, places={name: f"/sys/fs/cgroup/{name}" for name in ALL})


def wish(**words: object) -> Resources:
    return resources(AppRequest(image="x", **words), HOST)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("64M", 64 << 20),
        ("1.5", 1),
        ("1GiB", 1 << 30),
        ("500m", 500 << 20),
        ("1.5G", 3 << 29),
        ("25%", HOST // 4),
    ],
)
def test_memory_is_bytes_a_size_or_a_part_of_the_hosts(text: str, bytes_: int) -> None:
    assert wish(memory=text).memory_max == bytes_


@pytest.mark.parametrize(
    ("text", "milli"),
    [
        ("1.5", 1500),
        (2, 2000),
        (0.5, 500),
        ("500m", 500),
        ("50%", 500),
        ("12.5%", 125),
        ("8192", 8192000),
        ("10m", 10),
    ],
)
def test_processors_are_counted_in_thousandths(text: str, milli: int) -> None:
    assert wish(cpus=text).cpu_quota == milli


@pytest.mark.parametrize(
    "words",
    [
        {"memory": "0"}, {"memory": "-1"}, {"memory": "64X"}, {"memory": "101%"}, {"memory": "9" * 20}, {"memory": ""},
        {"memory": "1e9"}, {"memory": "½M"}, {"memory": "٣M"}, {"memory": "1.2.3M"}, {"memory_swap": "1G"},
        {"memory": "2G", "memory_swap": "1G"}, {"cpus": "0"}, {"cpus": "9m"}, {"cpus": "-2"}, {"cpus": "8193"},
        {"cpus": 1e-7}, {"cpus": "1e3"}, {"cpus": ".5"}, {"cpus": "50%%"}, {"cpu_weight": "0"}, {"cpu_weight": 10001},
        {"cpuset_cpus": "3-1"}, {"cpuset_cpus": ""}, {"cpuset_cpus": "0,,1"}, {"cpuset_cpus": "8192"},
        {"cpuset_cpus": "a"}, {"pids_limit": "0"}, {"pids_limit": "1.5"}, {"pids_limit": "4194305"},
        {"io_weight": "x"}, {"io_max": ("/dev/sda",)}, {"io_max": ("/dev/sda:rbps=0",)}, {"io_max": ("sda:rbps=1",)},
        {"io_max": ("/dev/../etc:rbps=1",)}, {"io_max": ("/dev/sda:bps=1",)}, {"io_max": ("/dev/sda:rbps=1,rbps=2",)},
        {"io_max": ("/dev/a b:rbps=1",)}, {"io_max": ("/dev/sda:riops=1M",)},
    ],
)  # fmt: skip
def test_nonsense_is_refused(words: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        wish(**words)


@pytest.mark.parametrize("text", ["2M", "2M=", "3M=6M", "1K=1M", "=2M", "2M=x"])
def test_sizes_of_huge_pages_are_powers_of_two(text: str) -> None:
    with pytest.raises(UsageError):
        resources(PodRequest(app=(), hugepages=(text,)), HOST)
    assert resources(PodRequest(app=(), hugepages=("2M=64M",)), HOST).huge_pages == ((2 << 20, 64 << 20),)


def test_swap_is_kept_as_what_there_may_be_beside_the_memory() -> None:
    assert wish(memory="1G", memory_swap="1G").swap_max == 0
    assert wish(memory="1G", memory_swap="3G").swap_max == 2 << 30
    assert wish(memory="1G", memory_swap="max").swap_max is None


def test_rates_of_one_device_are_put_together() -> None:
    found = wish(io_max=("/dev/sda:rbps=1M", "/dev/sda:wiops=5", "/dev/nvme0n1:wbps=2M"))
    assert found.io_max == (
        Throttle("/dev/sda", read_bytes=1 << 20, write_operations=5),
        Throttle("/dev/nvme0n1", write_bytes=2 << 20),
    )


def test_ulimits_of_an_app_stand_over_those_of_the_pod() -> None:
    found = ulimits(("nofile=10", "core=0"), ("nofile=20:30", "memlock=unlimited", "stack=8M"))
    assert found == (
        Ulimit("core", 0, 0),
        Ulimit("memlock", None, None),
        Ulimit("nofile", 20, 30),
        Ulimit("stack", 8 << 20, 8 << 20),
    )


@pytest.mark.parametrize(
    "text",
    ["nofile", "nofile=", "nofile=x", "nofile=2:1", "nofile=max:1", "files=1", "nofile=-2", "nofile=1:2:3"],
)
def test_ulimits_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        ulimits((), (text,))


def test_a_ulimit_is_said_once() -> None:
    with pytest.raises(UsageError):
        ulimits((), ("nofile=1", "nofile=2"))


def test_oom_scores_are_from_minus_1000_to_1000() -> None:
    assert [oom_score_adjust(text) for text in ("-1000", "1000", 7, None)] == [-1000, 1000, 7, None]
    for text in ("1001", "-1001", "x", "", "--5"):
        with pytest.raises(UsageError):
            oom_score_adjust(text)


@given(st.decimals(min_value=0, max_value=10**9, places=6), st.sampled_from(["", "K", "M", "GiB", "t"]))
def test_sizes_are_exact_and_rounded_down(number: object, unit: str) -> None:
    from decimal import Decimal

    assert isinstance(number, Decimal)
    exact = int(number * 1024 ** " KMGT".index(unit[:1].upper() or " "))
    if exact < 2**63:
        assert quantities.size(f"{number:f}{unit}", where="x") == exact


@given(st.text(max_size=12))
def test_whatever_is_said_becomes_limits_that_keep_the_rules_or_a_complaint(text: str) -> None:
    for name in ("memory", "memory_low", "cpus", "cpu_weight", "cpuset_cpus", "pids_limit"):
        try:
            found = wish(**{name: text})
        except UsageError:
            continue
        assert list(broken_resources("resources", found)) == []


@given(st.integers(10, 8192000))
def test_a_quota_is_the_same_number_for_systemd_and_for_the_kernel(quota: int) -> None:
    found = Resources(cpu_quota=quota)
    percent = dict(limits.properties(found))["CPUQuota"]
    assert re.fullmatch(r"[0-9]+(\.[1-9])?%", percent)
    assert round(float(percent[:-1]) * 10) == quota
    (file,) = limits.group_files(found, V2, {})
    assert file.value == f"{quota * 100} 100000"
    assert limits.bus_properties(found) == {b"CPUQuotaPerSecUSec": quota * 1000}


def test_processors_are_bits_on_the_bus() -> None:
    assert limits.bus_properties(Resources(cpus="0-1,9")) == {b"AllowedCPUs": b"\x03\x02"}


def test_limits_in_the_words_of_systemd() -> None:
    found = wish(
        memory="1M", memory_low="0", memory_swap="1M", cpus="1.5", cpuset_cpus="0-1,3", pids_limit=9, io_weight=7,
        io_max=("/dev/sda:rbps=1K,wiops=3",),
    )  # fmt: skip
    assert dict(limits.properties(found)) == {
        "MemoryMax": "1048576",
        "MemoryLow": "0",
        "MemorySwapMax": "0",
        "CPUQuota": "150%",
        "AllowedCPUs": "0-1 3",
        "TasksMax": "9",
        "IOWeight": "7",
        "IOReadBandwidthMax": "/dev/sda 1024",
        "IOWriteIOPSMax": "/dev/sda 3",
    }


def test_limits_in_the_files_of_cgroup_v1() -> None:
    found = wish(memory="1M", memory_swap="3M", cpus="0.5", cpu_weight=50, io_max=("/dev/sda:rbps=1K",))
    files = [tuple(file) for file in limits.group_files(found, V1, {"/dev/sda": "8:0"})]
    assert files == [
        ("memory", "memory.limit_in_bytes", "1048576"),
        ("memory", "memory.memsw.limit_in_bytes", "3145728"),
        ("cpu", "cpu.cfs_period_us", "100000"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("cpu", "cpu.shares", "512"),
        ("io", "blkio.throttle.read_bps_device", "8:0 1024"),
    ]


def refusals(groups: Groups, pod: Resources = Resources(), app: Resources = Resources()) -> list[str]:  # noqa: B008
    manifest = sample_pod(sample_app())
    manifest = manifest._replace(resources=pod, apps=(manifest.apps[0]._replace(resources=app),))
    found = limits.enforceable(manifest, groups)
    assert not limits.has_limits(found.pod) or not found.refused or found.pod != manifest
    return [reason.partition(":")[0] for reason in found.refused]


EVERYTHING = Resources(
    memory_max=1 << 20, memory_high=1, memory_low=1, swap_max=0, cpu_quota=100, cpu_weight=1, cpus="0", pids_max=1,
    io_weight=1, io_max=(Throttle("/dev/sda", read_bytes=1),),
)  # fmt: skip


def test_with_cgroup_v2_and_all_controllers_everything_is_enforced() -> None:
    assert refusals(V2, EVERYTHING, EVERYTHING) == []
    assert refusals(V2._replace(booted=False), EVERYTHING, EVERYTHING) == []


def test_with_cgroup_v1_no_app_is_limited() -> None:
    assert len(refusals(V1, app=EVERYTHING)) == len(limits.asked(EVERYTHING))
    assert len(refusals(V1._replace(booted=True), app=EVERYTHING)) == len(limits.asked(EVERYTHING))


def test_with_cgroup_v1_a_pod_has_the_limits_that_somebody_can_set() -> None:
    assert refusals(V1, EVERYTHING) == ["--memory-high", "--memory-low", "--io-weight"]
    assert "--cpuset-cpus" in refusals(V1._replace(booted=True), EVERYTHING)
    assert "--memory" not in refusals(V1._replace(booted=True), EVERYTHING)


def test_a_controller_that_is_not_there_and_a_processor_that_is_not_there_are_refused() -> None:
    groups = V2._replace(controllers=("cpu", "cpuset", "pids"))
    assert refusals(groups, Resources(memory_max=1, cpus="2-4", pids_max=5)) == ["--memory", "--cpuset-cpus"]
    assert refusals(groups, app=Resources(memory_max=1)) == ["app web --memory"]


def test_what_cannot_be_enforced_is_taken_away_and_the_rest_stays() -> None:
    manifest = sample_pod(sample_app())._replace(resources=Resources(memory_max=1, pids_max=5))
    found = limits.enforceable(manifest, V2._replace(controllers=("pids",)))
    assert found.pod.resources == Resources(pids_max=5)


def test_ulimits_above_what_this_process_may_have_are_refused() -> None:
    groups = V2._replace(rights=Rights({"nofile": 100}, 0))
    manifest = sample_pod(sample_app())
    app = manifest.apps[0]._replace(
        ulimits=(Ulimit("nofile", 1, 101), Ulimit("core", None, None)), oom_score_adjust=-1
    )
    found = limits.enforceable(manifest._replace(apps=(app,)), groups)
    assert len(found.refused) == 2
    assert found.pod.apps[0].ulimits == (Ulimit("core", None, None),)
    assert found.pod.apps[0].oom_score_adjust is None


def test_rules_find_what_is_wrong_in_a_manifest_written_by_hand() -> None:
    bad = Resources(
        memory_max=0, cpu_quota=1, cpu_weight=0, cpus="1-0", pids_max=0, io_max=(Throttle("/etc/x"),)
    )
    assert len(list(broken_resources("resources", bad))) == 6
    assert len(list(broken_ulimits("u", (Ulimit("x", 1, 1), Ulimit("core", None, 1))))) == 2


def test_limits_are_said_alike_of_a_pod_and_of_an_app() -> None:
    """Their fields stand twice, since named tuples have no common part that a type checker knows."""
    names = {*OPTIONS, "ulimit", "oom_score_adj"} - {"hugepages"}
    for name in names:
        of_app, of_pod = (kind.__annotations__[name] for kind in (AppRequest, PodRequest))
        assert of_app == of_pod, name
        assert AppRequest._field_defaults[name] == PodRequest._field_defaults[name], name
