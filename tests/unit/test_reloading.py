"""PURE. What of another manifest a running pod can have at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.plan.reloading import LiveMount, after, changes
from stage1.contract import Mount, NetworkMode, PodManifest, Port, Resources, Volume, VolumeKind
from tests.samples import app, pod

HTTP, OTHER, ANY = Port(80, 8080), Port(80, 8081), Port(81, 0)
SRV = Volume("host.1", VolumeKind.HOST, "/srv")
AT_SRV = LiveMount("web", "/srv", "/data", read_only=False, recursive=True)


def with_mount(volume: Volume, mount: Mount) -> PodManifest:
    return pod(app("web", mounts=(mount,)), volumes=(volume,))


def test_the_same_manifest_changes_nothing() -> None:
    one = with_mount(SRV, Mount("host.1", "/data"))
    assert not any(changes(one, one._replace(uuid=one.uuid[::-1], created="later"), frozenset()))


def test_limits_and_ports_come_at_once() -> None:
    old = pod(app("web"), published=(HTTP, ANY), network=NetworkMode.PRIVATE)
    more = Resources(memory_max=1 << 20)
    new = old._replace(
        published=(OTHER,), resources=more, apps=(old.apps[0]._replace(resources=Resources(pids_max=9)),)
    )
    found = changes(old, new, frozenset())
    assert (found.limits, found.publish, found.unpublish) == ((None, "web"), (OTHER,), (HTTP,))
    assert found.later == ("port 81, which got any free port of the host",)
    made = after(old, new, found)
    assert made.published == (ANY, OTHER)
    assert (made.resources, made.apps[0].resources) == (more, Resources(pids_max=9))
    assert not any(changes(made, new, frozenset())[:-1])


def test_a_tree_of_the_host_comes_and_goes_while_the_pod_runs() -> None:
    old = pod(app("web"))
    new = with_mount(SRV, Mount("host.1", "/data", nosuid=True))
    found = changes(old, new, frozenset())
    assert found.mount == (AT_SRV,)
    made = after(old, new, found)
    assert made.apps[0].mounts[0].target == "/data"
    live = frozenset({AT_SRV})
    assert not any(changes(made, new, live)), "what was made is made"
    back = changes(made, old, live)
    assert (back.unmount, back.later) == ((AT_SRV,), ())
    assert after(made, old, back) == old


def test_a_mount_of_the_start_goes_with_its_app() -> None:
    old = with_mount(SRV, Mount("host.1", "/data"))
    found = changes(old, pod(app("web")), frozenset())
    assert (found.unmount, found.replace, found.later) == ((), {"web": ("the mount at /data",)}, ())


@pytest.mark.parametrize(
    ("volume", "mount"),
    [
        (Volume("data", VolumeKind.NAMED, "data"), Mount("data", "/data")),
        (Volume("empty.1", VolumeKind.EMPTY), Mount("empty.1", "/data")),
        (SRV, Mount("host.1", "/data", noexec=True)),
        (SRV._replace(uid=7), Mount("host.1", "/data")),
    ],
)
def test_for_other_mounts_the_app_is_replaced(volume: Volume, mount: Mount) -> None:
    found = changes(pod(app("web")), with_mount(volume, mount), frozenset())
    assert (found.mount, found.replace, found.later) == ((), {"web": ("the mount at /data",)}, ())


def test_what_waits_is_named_once_each() -> None:
    old = pod(app("web"), app("db"))
    web = old.apps[0]._replace(env=("A=2",), layers=("sha256:1",), labels={"a": "b"}, watchdog=3.0)
    new = old._replace(apps=(web, app("new")), hostname="other")
    found = changes(old, new, frozenset())
    assert (found.add, found.remove, found.later) == (("new",), ("db",), ("--hostname",))
    assert found.replace == {"web": ("its image", "its environment", "--watchdog")}


def test_of_an_app_that_is_replaced_nothing_is_changed_before() -> None:
    old = pod(app("web"))
    other = app("web", env=("A=2",), resources=Resources(pids_max=9), mounts=(Mount("host.1", "/data"),))
    found = changes(old, pod(other, volumes=(SRV,)), frozenset())
    assert (found.limits, found.mount, list(found.replace)) == ((), (), ["web"])


def test_how_volumes_without_a_name_are_counted_is_no_difference() -> None:
    def with_volume(name: str, kind: VolumeKind, **more: str) -> PodManifest:
        return with_mount(Volume(name, kind, **more), Mount(name, "/data"))

    for kind in (VolumeKind.EMPTY, VolumeKind.IMPLICIT):
        one, other = (with_volume(f"{kind.value}.web.{number}", kind) for number in (1, 4))
        assert not any(changes(one, other, frozenset()))
    named, other = (with_volume(name, VolumeKind.EMPTY) for name in ("cache", "other"))
    assert changes(named, other, frozenset()).replace


@given(st.lists(st.sampled_from((HTTP, OTHER, Port(53, 53, "", "udp"))), unique=True), st.data())
def test_whatever_ports_were_there_the_wanted_ones_are(ports: list[Port], data: st.DataObject) -> None:
    old = pod(app("web"), published=tuple(ports), network=NetworkMode.PRIVATE)
    wanted = data.draw(st.lists(st.sampled_from((HTTP, OTHER)), unique=True))
    new = old._replace(published=tuple(wanted))
    assert set(after(old, new, changes(old, new, frozenset())).published) == set(wanted)
