"""PURE but for the last ones: what `pod doctor` makes of a host's facts, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0 import cli, doctor
from stage0.doctor import Cgroups, Facts, Finding, Level, features
from stage0.doctor import network as doctor_network
from stage0.doctor.network import NetworkFacts

GOOD = Facts(
    root=True,
    kernel="6.1.0-18-amd64",
    data_root="/var/lib/pod",
    filesystem="ext4",
    writable=True,
    overlay="",
    free=50 << 30,
    nspawn="systemd 257 (257.8-1)\n+PAM +SECCOMP",
    booted=True,
    machined=True,
    cgroups=Cgroups.V2,
    cgroups_writable=True,
    controllers=("cpu", "cpuset", "io", "memory", "pids"),
    seccomp=True,
    user_namespaces=True,
    mapped="",
    unbuilt=(),
    modules=(),
    programs=(),
    skopeo="skopeo version 1.9.3",
    image_policy=True,
    inotify=1024,
)
ANY = st.builds(
    Facts,
    kernel=st.sampled_from(["6.1.0-18-amd64", "5.15.0", "5.14", "strange", ""]),
    data_root=st.text(min_size=1),
    filesystem=st.sampled_from([None, "ext4", "overlayfs"]),
    overlay=st.sampled_from([None, "", "wrong fs type"]),
    mapped=st.sampled_from([None, "", "no mapped mounts"]),
    nspawn=st.one_of(
        st.none(), st.text(), st.sampled_from(["systemd 252 (x)", "systemd 251", "systemd 258~rc1"])
    ),
    free=st.one_of(st.none(), st.integers(min_value=0)),
    modules=st.lists(st.sampled_from(doctor.MODULES), unique=True).map(tuple),
    programs=st.lists(st.sampled_from(doctor.PROGRAMS), unique=True).map(tuple),
    skopeo=st.one_of(st.none(), st.text(), st.sampled_from(["skopeo version 1.4.1", "skopeo version x"])),
    labels=st.lists(st.sampled_from(["selinux", "apparmor"]), unique=True).map(tuple),
)


def finding(facts: Facts, check: str) -> Finding:
    (found,) = [one for one in doctor.judge(facts) if one.check == check]
    return found


def test_a_good_host_has_nothing_to_mend() -> None:
    findings = doctor.judge(GOOD)
    assert {one.level for one in findings} == {Level.OK}
    assert doctor.has_all(findings)
    assert doctor.as_text(findings).endswith("\nPods can run here.\n")


@given(ANY)
def test_every_host_gets_the_same_checks_and_what_is_missing_comes_with_advice(facts: Facts) -> None:
    findings = doctor.judge(facts)
    assert [one.check for one in findings] == [one.check for one in doctor.judge(GOOD)]
    assert all(one.found for one in findings)
    assert all(one.advice for one in findings if one.level is Level.MISSING)
    assert doctor.has_all(findings) == doctor.as_text(findings).endswith("Pods can run here.\n")


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("kernel", {"kernel": "5.14.21"}),
        ("systemd-nspawn", {"nspawn": None}),
        ("systemd-nspawn", {"nspawn": "systemd 251 (251.4)"}),
        ("system call filter", {"seccomp": False}),
        ("system call filter", {"nspawn": "systemd 252 (252.1)\n+PAM -SECCOMP"}),
        ("cgroups", {"cgroups": Cgroups.NONE}),
        ("cgroups", {"cgroups_writable": False}),
        ("data root", {"writable": False}),
        ("overlayfs", {"overlay": "wrong fs type", "filesystem": "overlayfs"}),
        ("native programs", {"unbuilt": ("reaper",)}),
        ("Python packages", {"modules": ("jinja2",)}),
        ("Python packages", {"modules": ("pystemd",)}),
        ("programs", {"programs": ("ldd",)}),
        ("D-Bus", {"bus": False}),
    ],
)
def test_without_this_no_pod_can_run(check: str, change: dict[str, object]) -> None:
    facts = GOOD._replace(**change)  # type: ignore[arg-type]
    assert finding(facts, check).level is Level.MISSING
    assert not doctor.has_all(doctor.judge(facts))


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("cgroups", {"cgroups": Cgroups.HYBRID}),
        ("cgroups", {"controllers": ("cpu", "pids")}),
        ("cgroups", {"cgroups": Cgroups.V1}),
        ("data root", {"root": False, "writable": None, "overlay": None}),
        ("overlayfs", {"overlay": None}),
        ("free space", {"free": 1 << 20}),
        ("Python packages", {"modules": ("yaml",)}),
        ("Python packages", {"modules": ("pystemd",), "booted": False}),
        ("systemd as PID 1", {"booted": False}),
        ("systemd-machined", {"machined": False}),
        ("user namespaces", {"user_namespaces": False, "mapped": "no"}),
        ("user namespaces", {"kernel": "5.15.0", "mapped": None}),
        ("user namespaces", {"mapped": "its file system (nfs) has no mapped mounts"}),
        ("inotify instances", {"inotify": 128}),
        ("inotify instances", {"inotify": None}),
        ("ranges of ids", {"no_range": "no 65536 ids are free"}),
        ("security labels", {"labels": ("selinux",), "enforcing": True}),
        ("skopeo", {"skopeo": None}),
        ("skopeo", {"skopeo": "skopeo version 1.4.1"}),
        ("skopeo", {"image_policy": False}),
    ],
)
def test_without_this_pods_run_all_the_same(check: str, change: dict[str, object]) -> None:
    facts = GOOD._replace(**change)  # type: ignore[arg-type]
    assert finding(facts, check).level is Level.WARN
    assert doctor.has_all(doctor.judge(facts))


def test_it_is_told_which_labels_apps_can_have() -> None:
    found = [
        finding(GOOD._replace(labels=labels), "security labels").found
        for labels in ((), ("apparmor",), ("selinux",))
    ]
    assert found == ["none in this kernel", "of AppArmor", "of SELinux, which is permissive"]


def test_advice_names_the_package_of_each_system() -> None:
    advice = finding(GOOD._replace(nspawn=None), "systemd-nspawn").advice
    assert [line.split(":")[0] for line in advice] == ["Debian, Ubuntu", "Fedora", "Arch", "openSUSE"]
    assert advice[0].endswith("apt install systemd-container")


@pytest.mark.parametrize(
    ("text", "number"),
    [("systemd 252 (252.39-1~deb12u2)", 252), ("systemd 258~rc1 (258~rc1-1)", 258), ("", 0), ("bash 5", 0)],
)
def test_the_version_of_systemd_is_its_first_number(text: str, number: int) -> None:
    assert doctor.systemd_version(text) == number


def test_kernels_are_compared_by_numbers() -> None:
    assert doctor.version("5.4.0-100-generic") < doctor.version("5.15") < doctor.version("6.1.0-18-amd64")


def test_json_has_every_check_and_nothing_is_left_in_the_data_root(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["--dir", str(tmp_path), "doctor", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert status == (0 if said["ok"] else 1)
    expected = [*doctor.judge(GOOD), *doctor_network.judge(GOOD_NETWORK)]
    assert [check["check"] for check in said["checks"]] == [one.check for one in expected]
    assert os.listdir(tmp_path) == []


def test_a_data_root_that_is_not_there_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["--dir", str(tmp_path / "not" / "yet"), "doctor"])
    assert "data root" in capsys.readouterr().out
    assert os.listdir(tmp_path) == []


def test_a_feature_that_is_missing_says_what_will_not_work() -> None:
    old = GOOD._replace(nspawn="systemd 252 (252.39-1~deb12u2)", programs=("systemd-creds",))
    assert "--restart-max-delay" in finding(old, "growing restart delays").advice[0]
    assert "--encrypted-credential" in finding(old, "systemd-creds").advice[0]
    assert doctor.has_all(doctor.judge(old))


def test_every_feature_is_there_on_a_new_host_and_none_on_one_of_long_ago() -> None:
    new = features.Versions(systemd=258, missing=())
    old = features.Versions(systemd=241, missing=features.PROGRAMS)
    assert all(feature.is_there(new) for feature in features.FEATURES)
    assert not any(feature.is_there(old) for feature in features.FEATURES)


GOOD_NETWORK = NetworkFacts(nft='{"nftables": []}', said="", bridge="", bridged6=False, ipv6=True)
ANY_NETWORK = st.builds(
    NetworkFacts,
    nft=st.none() | st.text() | st.sampled_from(["[]", '{"nftables": [{"chain": {}}]}', '{"nftables": 5}']),
    bridge=st.none() | st.text(),
    clashes=st.lists(st.text(min_size=1), max_size=2).map(tuple),
)


def test_a_good_host_has_networks() -> None:
    assert {one.level for one in doctor_network.judge(GOOD_NETWORK)} == {Level.OK}


@given(ANY_NETWORK)
def test_whatever_is_found_of_the_network_becomes_words(facts: NetworkFacts) -> None:
    assert all(one.found for one in doctor_network.judge(facts))


@pytest.mark.parametrize(
    ("facts", "check", "level"),
    [
        (GOOD_NETWORK._replace(nft=None, said="no nft"), "packet filter", Level.MISSING),
        (GOOD_NETWORK._replace(bridge="Operation not supported"), "bridges", Level.MISSING),
        (GOOD_NETWORK._replace(bridge=None), "bridges", Level.WARN),
        (GOOD_NETWORK._replace(clashes=("network default has",)), "ranges", Level.WARN),
        (GOOD_NETWORK._replace(bridged6=True), "published on ::1", Level.WARN),
        (GOOD_NETWORK._replace(ipv6=False), "published on ::1", Level.WARN),
    ],
)
def test_what_networks_lack_is_named(facts: NetworkFacts, check: str, level: Level) -> None:
    assert [one.level for one in doctor_network.judge(facts) if one.check == check] == [level]


def forwarding(*items: dict[str, object]) -> doctor.Finding:
    """What the doctor says of a ruleset."""
    text = json.dumps({"nftables": [{"metainfo": {}}, *items]})
    found = doctor_network.judge(GOOD_NETWORK._replace(nft=text))
    return next(one for one in found if one.check == "forwarding")


CHAIN = {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}
RULE = {"family": "ip", "table": "filter", "chain": "FORWARD"}


def test_a_firewall_that_drops_what_is_forwarded_is_named() -> None:
    ours, open_ = CHAIN | {"table": "unitpod"}, CHAIN | {"policy": "accept", "name": "OPEN"}
    found = forwarding({"chain": CHAIN}, {"chain": ours}, {"chain": open_})
    assert found.level is Level.WARN
    assert found.found.endswith(": chain ip filter FORWARD")
    assert any("DOCKER-USER" in line for line in found.advice)
    assert forwarding({"chain": ours}, {"chain": open_}).level is Level.OK


@pytest.mark.parametrize(
    ("expr", "level"),
    [
        ([{"counter": None}, {"reject": {"type": "icmpx"}}], Level.WARN),
        ([{"drop": None}], Level.WARN),
        ([{"match": {"left": "x", "right": "lo"}}, {"drop": None}], Level.OK),
        ([{"xt": {"name": "physdev"}}, {"drop": None}], Level.OK),
        ([{"accept": None}], Level.OK),
    ],
)
def test_a_last_rule_that_refuses_is_a_firewall_as_well(expr: list[object], level: Level) -> None:
    """As firewalld has it, whose policy is to accept."""
    chain = CHAIN | {"policy": "accept"}
    assert forwarding({"chain": chain}, {"rule": RULE | {"expr": expr}}).level is level


def test_a_firewall_that_has_been_told_of_pods_is_no_trouble() -> None:
    user = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "pod0"}}
    told = {"rule": RULE | {"chain": "DOCKER-USER", "expr": [user, {"accept": None}]}}
    assert forwarding({"chain": CHAIN}, told).level is Level.OK
    other = {"rule": RULE | {"table": "x", "expr": [user, {"accept": None}]}}
    assert forwarding({"chain": CHAIN}, other).level is Level.WARN
