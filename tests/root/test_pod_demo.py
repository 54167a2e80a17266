"""EFFECT. A realistic pod: nginx, redis and a client, from Debian packages, none of them root."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.root.pods import Pods, eventually, import_images

pytestmark = pytest.mark.root

STORE = ("store", "--ready", "tcp:6379")
WEB = ("web", "--ready", "tcp:8080", "--requires", "store")


FETCH = (
    "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=10).read().decode())"
)


def fetch(pods: Pods, pod: str, path: str) -> str:
    """A page, asked for from within the pod's network: the host's ports are none of this test's business."""
    enter = ["nsenter", "--net", f"--target={pods.status(pod)['leader']}"]
    argv = [*enter, sys.executable, "-c", FETCH, f"http://127.0.0.1:8080{path}"]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.fixture
def demo(pods: Pods) -> Pods:
    """The data root with the images of the demo."""
    import_images(pods, "store", "web", "client")
    return pods


def test_a_client_visits_a_web_server_that_counts_in_a_store(demo: Pods) -> None:
    client = ("client", "--requires", "web")
    done = demo.run(
        "--net", "none", "--exit-policy", "app:client", *STORE, "---", *WEB, "---", *client, status=0
    )
    assert "client: the page says: hello from nginx in a pod" in done.out
    assert "client: asked directly, visits: 4" in done.out
    assert demo.endings(done.uuid) == {"store": "stopped 0", "web": "stopped 0", "client": "exited 0"}
    assert sum('"GET /count HTTP/1.1" 200' in line for line in demo.log(done.uuid, "--app", "web")) == 3
    assert any("Ready to accept connections" in line for line in demo.log(done.uuid, "--app", "store"))
    # nginx's access log is a link to /dev/stdout, its error log one to /dev/stderr, and it is not root
    logs = demo("logs", "--app", "web", done.uuid)
    assert "GET / HTTP/1.1" in logs.out
    assert "start worker process" in logs.err


def test_servers_serve_and_stop_in_order(demo: Pods) -> None:
    uuid = demo.detach("--name", "site", "--net", "none", *STORE, "---", *WEB)
    facts = demo.status("site")
    assert facts["ready"] is True
    users = {row["app"]: row["uid"] for row in json.loads(demo("top", "--json", "site").out)}
    assert (users["store"], users["web"]) == (999, 101)
    assert fetch(demo, uuid, "/count") == "visits: 1\n"
    assert "hello from nginx" in fetch(demo, uuid, "/")
    eventually(lambda: len(demo.log(uuid, "--app", "web")) >= 2, "the lines of the access log")
    demo("stop", "site")
    assert demo.endings("site") == {"store": "stopped 0", "web": "stopped 0"}


def test_what_the_store_keeps_is_there_when_the_pod_starts_again(demo: Pods) -> None:
    uuid = demo("prepare", "--name", "site", "--net", "none", *STORE, "---", *WEB).out.strip()
    for visits in (1, 2):
        demo("start", "--detach", uuid)
        assert fetch(demo, uuid, "/count") == f"visits: {visits}\n"
        demo("stop", uuid)


def test_a_store_that_fails_takes_the_pod_down_with_its_status(demo: Pods) -> None:
    pod = demo.start("--net", "none", *STORE, "---", *WEB)
    demo("kill", "--app", "store", "--signal", "SEGV", pod.uuid)
    pod.done(139)
    endings = demo.endings(pod.uuid)
    assert endings["store"] in {"signal SEGV", "core-dump SEGV", "exited 139"}
    assert endings["web"] == "stopped 0"
