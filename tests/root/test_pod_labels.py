"""EFFECT. Labels of security modules: an app has the one it was given, and so has whoever enters it."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import needs_label, needs_program
from tests.root.pods import Pods

pytestmark = pytest.mark.root

KINDS = ("auto", "host")  # of user namespaces
LABEL = ("cat", "/proc/self/attr/current")
# Of the reference policy, whose types for containers have these names everywhere; categories keep two of them apart.
CONTEXTS = tuple(f"system_u:system_r:container_t:s0:c{number},c1000" for number in (1, 2))
SLEEP = ("sleep", "100000")
PROFILE = """
profile podtest flags=(attach_disconnected,mediate_deleted) {
    file,
    capability,
    signal,
    deny /etc/group r,
}
"""


@pytest.fixture
def selinux() -> None:
    """SELinux at work; here it only has to name processes, not to forbid anything."""
    needs_label("selinux")


@pytest.fixture
def enforcing(selinux: None) -> Iterator[None]:  # noqa: ARG001  it must be there
    """SELinux that forbids, for as long as the test runs."""
    mode = Path("/sys/fs/selinux/enforce")
    before = mode.read_text()
    mode.write_text("1")
    yield
    mode.write_text(before)


@pytest.fixture
def profile() -> None:
    """A profile of AppArmor that shows."""
    needs_label("apparmor")
    needs_program("apparmor_parser")
    subprocess.run(["apparmor_parser", "--replace"], input=PROFILE, text=True, check=True)


def entered(pods: Pods, pod: str, app: str) -> str:
    """The label of a command in the app."""
    return unterminated(pods("exec", "--app", app, pod, "--", *LABEL).out)


def unterminated(label: str) -> str:
    """SELinux ends labels with a NUL."""
    return label.strip("\0\n")


def test_a_label_is_refused_where_the_host_has_none(pods: Pods) -> None:
    if Path("/sys/module/apparmor/parameters/enabled").exists():
        pytest.skip("this machine has AppArmor")
    refused = pods.run("busybox", "--security-label", "apparmor:web", "--", "true", status=2)
    assert "this host has no AppArmor" in refused.err


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("userns", KINDS)
def test_an_app_has_the_apparmor_profile_that_it_was_given(pods: Pods, userns: str) -> None:
    script = "cat /proc/self/attr/current; cat /etc/group 2> /dev/null || echo refused"
    words = ("--userns", userns, "busybox", "--security-label", "apparmor:podtest", "--", "sh", "-c", script)
    for net in ("private", "none", "host"):
        assert pods.run("--net", net, *words, status=0).lines == ["podtest (enforce)", "refused"]
    unknown = ("busybox", "--security-label", "apparmor:no-such-profile", "--", "true")
    assert pods.endings(pods.run(*unknown, status=125).uuid) == {"busybox": "no-label"}


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("userns", KINDS)
def test_who_enters_an_app_has_its_apparmor_profile(pods: Pods, userns: str) -> None:
    one = ("busybox", "--name", "one", "--security-label", "apparmor:podtest", "--", *SLEEP)
    pod = pods.start("--userns", userns, *one, "---", "busybox", "--name", "two", "--", *SLEEP).uuid
    assert entered(pods, pod, "one") == "podtest (enforce)"
    assert pods("exec", "--app", "one", pod, "--", "cat", "/etc/group", status=1).out == ""
    assert entered(pods, pod, "two") == "unconfined"


@pytest.mark.usefixtures("selinux")
@pytest.mark.parametrize("userns", KINDS)
def test_apps_of_one_pod_have_the_selinux_labels_that_each_was_given(pods: Pods, userns: str) -> None:
    first, second = CONTEXTS
    pod = pods.start(
        "--userns", userns,
        "busybox", "--name", "root", "--security-label", f"selinux:{first}", "--", *SLEEP, "---",
        "busybox", "--name", "user", "--user", "1000", "--security-label", f"selinux:{second}", "--", *SLEEP, "---",
        "busybox", "--name", "none", "--", *SLEEP,
    ).uuid  # fmt: skip
    own = unterminated(Path("/proc/self/attr/current").read_text())
    for app, wanted in (("root", first), ("user", second), ("none", own)):
        pids = {one["name"]: one["pid"] for one in pods.status(pod)["apps"]}
        assert unterminated(Path(f"/proc/{pids[app]}/attr/current").read_text()) == wanted
        assert entered(pods, pod, app) == wanted


@pytest.mark.usefixtures("selinux")
def test_commands_beside_an_app_have_its_selinux_label(pods: Pods) -> None:
    words = ("--security-label", f"selinux:{CONTEXTS[0]}", "--pre-start", "cat /proc/self/attr/current")
    done = pods.run("busybox", *words, "--", *LABEL)
    assert done.out.count(CONTEXTS[0]) == 2


@pytest.mark.usefixtures("selinux")
def test_a_label_that_the_policy_does_not_know_is_told(pods: Pods) -> None:
    context = "system_u:system_r:no_such_type_t:s0"
    done = pods.run("busybox", "--security-label", f"selinux:{context}", "--", "true", status=125)
    assert f"the host's SELinux policy does not know the label {context}" in done.err
    assert "the host does not know its security label" in done.err
    assert pods.endings(done.uuid) == {"busybox": "no-label"}


@pytest.mark.usefixtures("selinux")
@pytest.mark.parametrize(
    ("words", "status"), [(("sh", "-c", "exit 229"), 229), (("no-such-program",), 127), (("/etc",), 126)]
)
def test_an_app_with_a_selinux_label_ends_as_any_other(
    pods: Pods, words: tuple[str, ...], status: int
) -> None:
    pods.run("busybox", "--security-label", f"selinux:{CONTEXTS[0]}", "--", *words, status=status)


@pytest.mark.usefixtures("enforcing")
def test_a_domain_for_containers_can_do_what_its_policy_says_and_no_more(pods: Pods) -> None:
    label = ("--security-label", f"selinux:{CONTEXTS[0]}")
    label_files(pods.root, "var_lib_t")
    refused = pods.run("busybox", *label, "--", "true", status=126)
    assert f"with the label {CONTEXTS[0]}: cannot execute true: Permission denied" in refused.err
    label_files(pods.root, "container_file_t")
    script = "echo x >/dev/null && head -c 4 /dev/urandom | wc -c && touch /x /dev/shm/x && ls /dev/null"
    for userns in KINDS:
        done = pods.run("--userns", userns, "busybox", *label, "--", "sh", "-c", script)
        assert done.lines == ["4", "/dev/null"]
    pod = pods.start("busybox", *label, "--", *SLEEP).uuid
    on_terminal = shlex.join(pods.argv("exec", "-t", pod, "--", *LABEL, env=None))
    said = subprocess.run(
        ["script", "-qec", on_terminal, "/dev/null"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert unterminated(said.strip()) == CONTEXTS[0]


def label_files(top: Path, kind: str) -> None:
    """As an administrator would, for good with `semanage fcontext`."""
    subprocess.run(["chcon", "-R", f"system_u:object_r:{kind}:s0", top], check=True)
