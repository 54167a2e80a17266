"""EFFECT. What a unit of the host gives to the pod it starts: listening sockets and credentials, also after a stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import ROOT, pods_of
from tests.root.pods import POD, Pods, eventually

pytestmark = pytest.mark.lab

UNITS = Path("/run/systemd/system")
SERVICE = f"""[Service]
Type=notify
Environment=POD_DIR={ROOT}
ExecStart={POD} start web
Delegate=yes
KillMode=mixed
Slice=machine.slice
LoadCredential=token:/run/token
"""
ASK = "import socket; print(socket.create_connection({}).makefile().read(), end='')"
ASK_PATH = (
    "import socket; s = socket.socket(socket.AF_UNIX); s.connect({!r}); print(s.makefile().read(), end='')"
)


@pytest.fixture
def pods(lab: LabHost) -> Iterator[Pods]:
    """Pods of the session's lab; units of a test go with it."""
    with pods_of(lab) as found:
        yield found
        lab.run(["systemctl", "stop", "web.socket", "web.service"], check=False)
        lab.run(["rm", "-f", UNITS / "web.socket", UNITS / "web.service", "/run/token"])
        lab.run(["systemctl", "daemon-reload"])
        lab.run(["systemctl", "reset-failed"])


def host_units(lab: LabHost, *listen: str) -> None:
    """A service that starts the pod, and the socket that starts the service."""
    lab.write(UNITS / "web.service", SERVICE)
    if listen:
        lab.write(
            UNITS / "web.socket", "[Socket]\n" + "".join(f"ListenStream={address}\n" for address in listen)
        )
    lab.write("/run/token", "a secret\n", mode=0o600)
    lab.run(["systemctl", "daemon-reload"])


def ask(lab: LabHost, code: str) -> str:
    return lab.run(["python3", "-c", code]).stdout


def test_a_socket_of_the_host_starts_the_pod_and_the_app_behind_it(lab: LabHost, pods: Pods) -> None:
    """The first connection finds no pod; the second one a pod without the app; the third one no pod again."""
    sockets = ("--socket", "http=127.0.0.1:18080,activated,host", "--socket", "path=/run/web.sock,host")
    pods("prepare", "--name", "web", "inspect", *sockets, "--", "accept")
    host_units(lab, "127.0.0.1:18080", "/run/web.sock")
    lab.run(["systemctl", "start", "web.socket"])
    assert ask(lab, ASK.format(("127.0.0.1", 18080))).startswith("http 127.0.0.1:")
    assert pods.status("web")["state"] == "running"
    eventually(lambda: pods.status("web")["apps"][0]["state"] == "listening", "the app's good end")
    assert ask(lab, ASK_PATH.format("/run/web.sock")) == "path unix\n"
    lab.run(["systemctl", "stop", "web.service"])
    assert pods.status("web")["state"] == "exited"
    assert ask(lab, ASK.format(("127.0.0.1", 18080))).startswith("http 127.0.0.1:")


def test_a_pod_that_is_not_passed_what_it_was_promised_does_not_start(pods: Pods) -> None:
    pods("prepare", "--name", "web", "inspect", "--socket", "127.0.0.1:18080,host", "--", "pause")
    done = pods("start", "web", status=125)
    assert "the host is to pass 1 listening sockets and passes 0" in done.err


def test_a_credential_of_the_unit_is_that_of_one_app_and_read_anew_at_each_start(
    lab: LabHost, pods: Pods
) -> None:
    reader = (
        "--user",
        "app",
        "--credential",
        "token",
        "--",
        "cat",
        "/run/credentials/app-a.service/token",
        "pause",
    )
    other = ("---", "inspect", "--name", "b", "--", "ls", "/run", "pause")
    pods("prepare", "--name", "web", "inspect", "--name", "a", *reader, *other)
    host_units(lab)
    for secret in ("the first", "the second"):
        lab.write("/run/token", f"{secret}\n", mode=0o600)
        lab.run(["systemctl", "start", "web.service"])
        eventually(lambda: pods.log("web", "--app", "a"), "what the app reads")
        assert pods.log("web", "--app", "a") == [secret]
        assert "credentials" not in "".join(pods.log("web", "--app", "b"))
        lab.run(["systemctl", "stop", "web.service"])
    done = pods("start", "web", status=125)
    assert "credential token: it is to come from the unit" in done.err


def test_what_an_app_says_of_itself_is_the_status_of_the_units_pod(lab: LabHost, pods: Pods) -> None:
    words = (
        "notify",
        "STATUS=loading",
        "notify",
        "READY=1",
        "sleep",
        "1",
        "notify",
        "STATUS=42 clients",
        "pause",
    )
    pods("prepare", "--name", "web", "inspect", "--name", "a", "--ready", "notify", "--", *words)
    host_units(lab)
    lab.run(["systemctl", "start", "web.service"])

    def said() -> str:
        return lab.run(["systemctl", "show", "--property=StatusText", "web.service"]).stdout

    eventually(lambda: said() == "StatusText=a: 42 clients\n", "the status of the app in the unit's")


def test_an_app_that_reads_its_configuration_again_makes_the_unit_one_that_reloads(
    lab: LabHost, pods: Pods
) -> None:
    words = ("notify", "READY=1", "wait-file", "/sign/reload", "notify", "RELOADING=1")
    words += ("wait-file", "/sign/done", "notify", "READY=1", "pause")
    sign = ("--mount", "type=empty,source=sign,target=/sign")
    pods("prepare", "--name", "web", "inspect", *sign, "--ready", "notify", "--", *words)
    host_units(lab)
    lab.run(["systemctl", "start", "web.service"])

    def state() -> str:
        return lab.run(["systemctl", "show", "-P", "ActiveState", "web.service"]).stdout.strip()

    assert state() == "active"
    signs = pods.directory(pods.status("web")["uuid"]) / "volumes/sign"
    for sign_file, expected in (("reload", "reloading"), ("done", "active")):
        (signs / sign_file).touch()
        eventually(lambda expected=expected: state() == expected, f"the unit {expected}")
    assert lab.run(["systemctl", "show", "-P", "Result", "web.service"]).stdout == "success\n"
