"""PURE. The systemd-nspawn argv of a pod."""

from __future__ import annotations

from pathlib import Path

import pytest

from stage1 import nspawn
from stage1.contract import DataRoot, NetworkMode, PodManifest, State, Stdin
from stage1.render import render
from stage1.resources import template_path
from tests.samples import UUID, app, pod


def argv(
    whole: PodManifest,
    root: str = "/var/lib/pod",
    *,
    register: bool = False,
    keep: bool = True,
    files_label: str = "",
) -> tuple[str, ...]:
    job = nspawn.job(whole, register=register, keep_unit=keep, files_label=files_label)
    text = render([job], template_path()[-1:], None)[nspawn.RESULT]
    return nspawn.argv("/usr/bin/systemd-nspawn", text, whole, DataRoot(Path(root)).pod(State.RUN, UUID))


def test_the_program_comes_first_and_what_pid_1_is_told_last() -> None:
    found = argv(pod())
    assert found[0] == "/usr/bin/systemd-nspawn"
    assert found[found.index("--") + 1 :] == (
        "--show-status=0",
        "--log-level=warning",
        "--log-target=console",
    )


def test_a_pod_is_a_machine_by_its_name_or_by_its_uuid() -> None:
    assert "--machine=demo" in argv(pod())
    assert f"--machine=pod-{UUID}" in argv(pod(name=None))
    assert f"--uuid={UUID}" in argv(pod())
    assert "--hostname=other" in argv(pod(hostname="other"))


@pytest.mark.parametrize(
    "root", ["/var/lib/pod", "/a b/%n $X", "/a=b", "/@uuid@", "/\u2028", "/\udcff", "/#"]
)
def test_the_directory_arrives_whatever_it_is_called(root: str) -> None:
    assert f"--directory={root}/pods/run/{UUID}/rootfs" in argv(pod(), root)


def test_no_file_of_the_host_changes_what_was_rendered() -> None:
    assert "--settings=no" in argv(pod())


def test_a_pod_registers_where_there_is_a_systemd_to_register_with() -> None:
    assert "--register=yes" in argv(pod(), register=True, keep=False)
    assert "--keep-unit" not in argv(pod(), register=True, keep=False)
    assert {"--register=no", "--keep-unit"} <= set(argv(pod()))


def test_only_an_app_with_a_terminal_has_the_console() -> None:
    assert "--console=read-only" in argv(pod())
    assert "--console=interactive" in argv(pod(app(stdin=Stdin.TTY)))


def test_a_pod_without_a_network_has_none() -> None:
    assert "--private-network" in argv(pod(network=NetworkMode.NONE))
    assert "--private-network" not in argv(pod())


def test_files_in_memory_are_labelled_for_apps_with_a_label_of_selinux() -> None:
    labelled = pod(app(confinement=app().confinement._replace(selinux="u:r:a_t:s0")))
    assert [
        [word for word in argv(whole, files_label=label) if "selinux" in word]
        for whole in (labelled, pod())
        for label in ("system_u:object_r:file_t:s0", "")
    ] == [["--selinux-apifs-context=system_u:object_r:file_t:s0"], [], [], []]


def test_systemd_hears_of_apparmor_where_systemd_nspawn_hides_it() -> None:
    labelled = app(confinement=app().confinement._replace(apparmor="web"))
    systemd = "/usr/lib/systemd/systemd"
    begins = {
        net: [
            word for word in argv(pod(labelled, network=net)) if word in {"--at-once", "--apparmor", systemd}
        ]
        for net in (NetworkMode.PRIVATE, NetworkMode.NONE, NetworkMode.HOST)
    }
    assert begins == {
        NetworkMode.PRIVATE: ["--apparmor", systemd],
        NetworkMode.NONE: ["--at-once", "--apparmor", systemd],
        NetworkMode.HOST: [],
    }
    assert "--apparmor" not in argv(pod(network=NetworkMode.PRIVATE))


def test_no_line_for_readers_becomes_an_argument() -> None:
    assert not [word for word in argv(pod()) if word.startswith("#") or not word.strip()]
