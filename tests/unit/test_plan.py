"""PURE. Everything that will be written below `run/`: tables, and the monitor's instructions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stage1 import plan
from stage1.contract import (
    DataRoot,
    Mount,
    PodManifest,
    Restart,
    RestartPolicy,
    State,
    Stdin,
    User,
    Volume,
    VolumeKind,
)
from stage1.render import render
from stage1.resources import template_path
from tests.samples import FACTS, FILES, app, pod


def texts(whole: PodManifest) -> dict[str, str]:
    return render(plan.jobs(whole, FACTS, keep_unit=False), template_path()[-1:], None)


def launched(whole: PodManifest) -> plan.LaunchPlan:
    directory = DataRoot(Path("/var/lib/pod")).pod(State.RUN, whole.uuid)
    return plan.launch_plan(
        whole, plan.Site(directory, directory.root.base / "KEY", FACTS, FILES), texts(whole)
    )


def records(whole: PodManifest) -> list[list[str]]:
    return [
        [word.decode(errors="surrogateescape") for word in record.split(b"\0")]
        for record in launched(whole).files["launch"].split(b"\0\0")[:-1]
    ]


def test_the_policy_says_what_the_reaper_decides_by() -> None:
    whole = pod(app("a", init=True), app("b", restart=RestartPolicy(when=Restart.ALWAYS)))
    assert plan.policy(whole) == "policy any-failure\napp a no init\napp b always main\n"


def test_the_user_database_has_each_number_once_and_root_always() -> None:
    one, two = User(name="a", uid=5, gid=6, groups=(7,)), User(name="b", uid=5, gid=8, groups=(6, 0))
    found = plan.user_database(
        pod(app("a", user=one), app("b", user=two), app("c", user=User(name="x", uid=None, gid=9)))
    )
    assert found["passwd"].splitlines()[0] == "root:x:0:0:root:/:/"
    assert [line.split(":")[2] for line in found["passwd"].splitlines()] == ["0", "5"]
    assert [line.split(":")[2] for line in found["group"].splitlines()] == ["0", "6", "7", "8", "9"]


def test_each_mount_is_as_its_app_asks_and_a_host_tree_comes_with_its_mounts() -> None:
    whole = pod(
        app(
            "a",
            mounts=(
                Mount(volume="r", target="/r", read_only=True),
                Mount(volume="w", target="/w", read_only=True),
            ),
        ),
        app("b", mounts=(Mount(volume="w", target="/w"),)),
        volumes=(
            Volume(name="r", kind=VolumeKind.HOST, source="/srv/r\udcff"),
            Volume(name="w", kind=VolumeKind.HOST, source="/srv/w"),
            Volume(name="e", kind=VolumeKind.EMPTY),
        ),
    )
    found = [record[1:] for record in records(whole) if record[0] == "bind" and len(record) == 5]
    assert found == [
        ["/srv/r\udcff", "/r", "rec,ro,private", "rootfs/pod/apps/a/rootfs"],
        ["/srv/w", "/w", "rec,ro,private", "rootfs/pod/apps/a/rootfs"],
        ["/srv/w", "/w", "rec,private", "rootfs/pod/apps/b/rootfs"],
    ]


def test_the_uppermost_layer_comes_first() -> None:
    whole = pod(app(layers=("sha256:low", "sha256:high")))
    overlay = next(record for record in records(whole) if record[1].endswith("/web/rootfs"))
    assert overlay[3:] == [
        "run/identity",
        "/var/lib/pod/layers/sha256-high",
        "/var/lib/pod/layers/sha256-low",
    ]


def test_a_pod_that_goes_when_it_is_over_takes_its_name_along() -> None:
    assert ["remove", "/var/lib/pod/names/demo", "/run/systemd/nspawn/propagate/demo"] in records(
        pod(remove=True)
    )
    unnamed = pod(remove=True, name=None)
    assert ["remove", f"/run/systemd/nspawn/propagate/pod-{unnamed.uuid}"] in records(unnamed)
    assert not any(record[0] == "remove" for record in records(pod()))


def test_the_supervisor_is_the_last_record_and_the_same_as_in_the_file_for_people() -> None:
    found = launched(pod())
    assert tuple(records(pod())[-1][1:]) == found.argv
    assert tuple(json.loads(found.files["nspawn.json"])["argv"]) == found.argv


def test_an_app_gets_its_pipes_by_the_number_of_its_user() -> None:
    apps = (
        app("a", user=User(name="web", uid=101, gid=102), stdin=Stdin.STREAM),
        app("b", user=User(name="x", uid=None, gid=None)),
    )
    assert [record for record in records(pod(*apps)) if record[0] == "app"] == [
        ["app", "a", "101", "102", "stream"],
        ["app", "b", "0", "0", "none"],
    ]


def test_the_files_of_a_pod_are_a_layer_or_where_etc_is_a_link_mounts() -> None:
    whole = pod(app("a"), app("b", etc_is_link=True))
    assert launched(whole).files["identity/etc/hosts"].startswith(b"127.0.0.1\tlocalhost\n")
    layered = [record[2] for record in records(whole) if "run/identity" in record]
    bound = [record[1:3] for record in records(whole) if record[1].startswith("run/identity/")]
    assert layered == ["apps/a"]
    assert ["run/identity/etc/hosts", "/etc/hosts"] in bound


def test_only_an_app_with_a_launcher_has_words() -> None:
    assert not any(name.startswith("apps/") for name in launched(pod()).files)
    odd = pod(app(argv=("/x", "\udcff"), env=("A-B=1",)))
    assert launched(odd).files["apps/web/words"].endswith(b"\xff\0A-B=1\0")


WORDS = st.binary(min_size=1, max_size=8).map(
    lambda data: data.replace(b"\0", b"x").decode(errors="surrogateescape")
)
RECORDS = st.lists(st.lists(WORDS, min_size=1, max_size=4).map(tuple), max_size=4)


@given(RECORDS)
def test_records_come_back_as_they_were(wanted: list[tuple[str, ...]]) -> None:
    assert list(read_records(plan.encode_records(iter(wanted)))) == wanted


def read_records(data: bytes) -> Iterator[tuple[str, ...]]:
    """Words end with NUL, records with one more: as the monitor reads them."""
    words: list[str] = []
    for word in data.split(b"\0")[:-1]:
        if word:
            words.append(word.decode(errors="surrogateescape"))
        else:
            yield tuple(words)
            words = []


def test_every_alias_leads_to_a_unit_that_is_there() -> None:
    found = launched(pod())
    for link, target in found.links.items():
        assert f"units/{target}" in found.files, link
