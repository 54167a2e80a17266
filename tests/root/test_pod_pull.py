"""`pod run` of images that are in a registry: pulled, told, run, known by digest; and progress on a terminal."""

from __future__ import annotations

import glob
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.image_archives import archive, file, write_layout
from tests.root.pods import IMAGES, LIMIT, Pods, eventually, scratch_directory, shown_on
from tests.root.registry import PASSWORD, USER, Gate, Registry, noise, run, serving

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """With TLS and a login."""
    with serving(tmp_path_factory.mktemp("registry"), tls=True, login=True) as running:
        yield running


def access(registry: Registry) -> list[str]:
    logins = registry.place / "auth.json"
    if not logins.exists():
        run("skopeo", "login", "--authfile", logins, "--cert-dir", registry.certificates, "-u", USER, "-p", PASSWORD,
            registry.host, env=registry.environment)  # fmt: skip
    return [f"--authfile={logins}", f"--cert-dir={registry.certificates}"]


def pushed(registry: Registry, name: str) -> str:
    assert (IMAGES / name).is_dir(), f"the image {name} is not built; run `make images`"
    return registry.push(f"oci:{IMAGES / name}:latest", f"real/{name}:1")


@pytest.fixture
def bare(pods: Pods) -> Iterator[Pods]:
    """A data root that holds no layer yet, whatever ran before."""
    with scratch_directory(pods.scratch) as place:
        place.chmod(0o755)
        found = replace(pods, root=place / "data", running=[])
        yield found
        found.clear()
        assert not found.left()


def test_servers_of_debian_packages_come_from_a_registry_and_serve(bare: Pods, registry: Registry) -> None:
    """nginx, redis and their client: users, volumes, hard links, capabilities, a lowest layer they share."""
    store, web, client = (pushed(registry, name) for name in ("store", "web", "client"))
    before = len(registry.requests())
    done = bare.run(
        *access(registry), "--net=none", "--exit-policy=app:client",
        store, "--ready", "tcp:6379", "---", web, "--ready", "tcp:8080", "--requires", "store",
        "---", client, "--requires", "web", env=registry.environment,
    )  # fmt: skip
    assert "to fetch" in done.err
    blobs = [path.rpartition("/")[2] for path in registry.requests()[before:]]
    layers = [layer for name in ("store", "web", "client") for layer in manifest_of(name)["layers"]]
    assert {blobs.count(layer["digest"]) for layer in layers} == {1}, "the shared layer comes once"
    assert blobs.count(manifest_of("web")["layers"][-1]["digest"]) == 1
    apps = json.loads(bare("ps", "--all", "--json").out)[0]["apps"]
    assert {app["image"]: app["digest"] for app in apps} == {
        name: digest_of(short) for name, short in ((store, "store"), (web, "web"), (client, "client"))
    }
    listed = {image["name"]: image["digest"] for image in json.loads(bare("image", "ls", "--json").out)}
    assert listed[web] == digest_of("web")
    told = json.loads(bare("inspect", done.uuid).out)
    assert digest_of("store") in json.dumps(told)


def manifest_of(name: str) -> dict:
    layout = IMAGES / name
    return json.loads((layout / "blobs" / digest_of(name).replace(":", "/")).read_text())


def digest_of(name: str) -> str:
    (entry,) = json.loads((IMAGES / name / "index.json").read_text())["manifests"]
    return entry["digest"]


def test_a_manifest_says_how_to_pull(pods: Pods, registry: Registry) -> None:
    image = pushed(registry, "inspect")
    logins, certificates = (word.partition("=")[2] for word in access(registry))
    pin = f"{image.rpartition(':')[0]}@{digest_of('inspect')}"
    text = f"""
        pull = "always"
        quiet = false
        authfile = "{logins}"
        cert_dir = "{certificates}"
        tls_verify = true
        [[app]]
        image = "{pin}"
        args = ["exit", "7"]
    """
    file = pods.write("pull.toml", text)
    assert "quiet" in pods.run("-f", file, status=2, env=registry.environment).err
    file = pods.write("pull.toml", text.replace("quiet = false", ""))
    done = pods.run("-f", file, status=7, env=registry.environment)
    assert pods.status(done.uuid)["apps"][0]["digest"] == digest_of("inspect")
    wrong = pods.write("wrong.toml", 'pull = "sometimes"\n[[app]]\nimage = "inspect"\n')
    assert f"{wrong}: pull=sometimes: no such policy" in pods.run("-f", wrong, status=2).err


def test_a_pod_whose_image_cannot_be_had_leaves_nothing(pods: Pods, registry: Registry) -> None:
    done = pods.run(
        *access(registry), f"{registry.host}/real/nothing:1", status=125, env=registry.environment
    )
    assert "is here, and cannot pull" in done.err
    assert pods.all() == []
    done = pods.run("--pull=never", "nosuchimage", status=125)
    assert "no image 'nosuchimage'" in done.err


def test_a_terminal_sees_the_pull_and_then_the_app(pods: Pods, registry: Registry) -> None:
    image = pushed(registry, "busybox")
    leader, follower = os.openpty()
    words = ["run", "--rm", *access(registry), image, "--", "echo", "the app speaks"]
    environment = {**registry.environment, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        pods.argv(*words, env=environment), stdin=follower, stdout=follower, stderr=follower
    ) as process:
        os.close(follower)
        text = shown_on(leader)
        assert process.wait(LIMIT) == 0
    os.close(leader)
    assert manifest_of("busybox")["layers"][0]["digest"][7:19] in text
    assert text.index("\x1b[?25h") < text.index("the app speaks"), (
        "the terminal is as it was before the app begins"
    )


def test_a_pull_that_is_stopped_makes_no_pod(pods: Pods, registry: Registry, tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout", [archive(file("large", noise(3 << 20)))])
    image = registry.push(f"oci:{layout}:latest", "large:1")
    with Gate(registry.port, 1 << 20) as gate:
        through = image.replace(registry.host, f"127.0.0.1:{gate.port}")
        logins = json.loads((registry.place / "auth.json").read_text()) if access(registry) else {}
        logins["auths"][f"127.0.0.1:{gate.port}"] = logins["auths"][registry.host]
        (tmp_path / "auth.json").write_text(json.dumps(logins))
        running = pods.beside(
            "run", f"--authfile={tmp_path}/auth.json", f"--cert-dir={registry.certificates}", through,
            env=registry.environment,
        )  # fmt: skip
        gate.wait()
        running.send(15)
        assert running.popen.wait(LIMIT) == 143
    assert pods.all() == []
    # Path.rglob() fails where a directory goes meanwhile
    left = f"{glob.escape(str(pods.root))}/**/tmp-*"
    assert eventually(lambda: not glob.glob(left, recursive=True), "scratch to be gone")  # noqa: PTH207
