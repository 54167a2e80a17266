"""`pod image pull` from a real registry: what comes, what is refused, what is never fetched twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from stage0.image import Store
from tests.conftest import needs_program
from tests.image_archives import ARCHITECTURE, archive, digest, directory, file, write_layout
from tests.root.pods import LIMIT, REPO, SYSTEM_PATH, eventually, shown_on
from tests.root.registry import PASSWORD, USER, Gate, Registry, free_port, noise, run, serving

pytestmark = pytest.mark.root

BASE = archive(
    directory("etc"), file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n"), file("base", b"b" * 5000)
)
MIDDLE = archive(file("middle", b"m" * 7000))
TOP = archive(file("top", b"t" * 9000))

# What an empty store has.
MARKS = {"oci-layout", ".content-lock", ".index-lock"}


class Client:
    """`pod` with a data root of its own, and the configuration of a registry's clients."""

    def __init__(self, root: Path, registry: Registry) -> None:
        self.root, self.registry = root, registry
        self.store = Store(root)

    def argv(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "stage0", "--dir", str(self.root), *map(str, words)]

    def environment(self, **more: str) -> dict[str, str]:
        return {**self.registry.environment, "PYTHONPATH": str(REPO), **more}

    def __call__(
        self, *words: object, status: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.argv(*words), cwd=REPO, env=self.environment(**environment), capture_output=True, text=True,
            check=False, timeout=LIMIT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == status, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    def pull(self, *words: object, **environment: str) -> str:
        """Pull; the digest."""
        return self("image", "pull", *words, **environment).stdout.split()[-1]

    def refused(self, *words: object, why: str, hint: str = "", **environment: str) -> None:
        """Pull in vain: one error of two lines, and nothing has changed."""
        before = self.content()
        done = self("image", "pull", *words, status=125, **environment)
        lines = [line for line in done.stderr.splitlines() if not line.startswith(("layer ", "127.0.0.1:"))]
        assert len(lines) == 2, done.stderr
        assert lines[0].startswith("pod: "), done.stderr
        assert why in lines[0], done.stderr
        assert hint in lines[1], done.stderr
        assert done.stdout == ""
        assert self.content() == before

    def content(self) -> list[str]:
        """Everything in the store that a reader sees, and scratch, which must not stay."""
        found = [path for path in self.root.rglob("*") if "partial" not in path.parts and not path.is_dir()]
        return sorted(f"{path} {path.stat().st_mtime_ns}" for path in found if path.name not in MARKS)

    def scratch(self) -> list[Path]:
        return list(self.root.rglob("tmp-*"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("plain")) as registry:
        yield registry


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """With TLS by an authority nobody knows, and a login."""
    with serving(tmp_path_factory.mktemp("closed"), tls=True, login=True) as registry:
        layout = write_layout(registry.place / "layout", [BASE])
        registry.push(f"oci:{layout}:latest", "team/secret:1")
        yield registry


@pytest.fixture
def client(tmp_path: Path, plain: Registry) -> Client:
    plain.configure()
    return Client(tmp_path / "data", plain)


@pytest.fixture
def guest(tmp_path: Path, closed: Registry) -> Client:
    return Client(tmp_path / "data", closed)


def pushed(
    registry: Registry, tmp_path: Path, name: str, layers: list[bytes], *options: str, **how: object
) -> str:
    """An image of these layers, in the registry."""
    layout = write_layout(tmp_path / f"layout-{name.replace('/', '-').replace(':', '-')}", layers, **how)
    return registry.push(f"oci:{layout}:latest", name, *options)


def test_what_comes_is_what_the_registry_has_and_comes_once(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "once:1", [BASE, MIDDLE, TOP], config={"Cmd": ["/top"]})
    assert client.pull(name) == plain.digest("once:1")
    image = client.store.get(name)
    assert image.layers == (digest(BASE), digest(MIDDLE), digest(TOP))
    assert image.config.cmd == ("/top",)
    assert (client.store.layer_path(digest(TOP)) / "top").read_bytes() == b"t" * 9000
    assert client.scratch() == []
    asked, before = plain.requests(), client.content()
    assert client.pull(name) == image.digest
    assert client.content() == before
    fetched = [path for path in plain.requests()[len(asked) :] if image.config_digest not in path]
    assert fetched == [], "no layer is fetched again"
    run("skopeo", "inspect", f"oci:{client.store.paths.images}:{name}", env=plain.environment)


def test_layers_of_other_images_are_not_fetched(client, plain, tmp_path):
    client.pull(pushed(plain, tmp_path, "shared:1", [BASE, MIDDLE]))
    second = pushed(plain, tmp_path, "shared:2", [BASE, MIDDLE, TOP])
    before = len(plain.requests())
    client.pull(second)
    layers = json.loads(run("skopeo", "inspect", "--raw", f"docker://{second}", env=plain.environment))[
        "layers"
    ]
    fetched = " ".join(plain.requests()[before:])
    assert [layer["digest"] in fetched for layer in layers] == [False, False, True]


@pytest.mark.parametrize(
    "options", [("--format", "v2s2"), ("--dest-compress-format", "zstd", "--format", "oci")]
)
def test_the_digest_is_the_registrys_whatever_the_format(client, plain, tmp_path, options):
    name = pushed(
        plain, tmp_path, f"format:{options[1]}", [BASE, TOP], *options, compress=options[0] == "--format"
    )
    assert client.pull(name) == plain.digest(f"format:{options[1]}")
    assert client.store.get(name).layers == (digest(BASE), digest(TOP))
    assert client.pull(name) == client.store.get(name).digest


def write_list(place: Path) -> tuple[str, str]:
    """An index for two platforms, tag `list`; its digest and that of this machine's image."""
    write_layout(place, [BASE, TOP], tag="here")
    write_layout(place, [BASE], tag="there", architecture="riscv64")
    entries = json.loads((place / "index.json").read_text())["manifests"]
    for entry, architecture in zip(entries, (ARCHITECTURE, "riscv64"), strict=True):
        entry["platform"] = {"os": "linux", "architecture": architecture}
        del entry["annotations"]
    kind = "application/vnd.oci.image.index.v1+json"
    fat = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
    (place / "blobs/sha256" / digest(fat)[7:]).write_bytes(fat)
    top = {"mediaType": kind, "digest": digest(fat), "size": len(fat),
           "annotations": {"org.opencontainers.image.ref.name": "list"}}  # fmt: skip
    (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    return digest(fat), entries[0]["digest"]


def test_of_an_index_the_wanted_platform_is_taken_and_pins_hold(client, plain, tmp_path):
    index, mine = write_list(tmp_path / "fat")
    name = plain.push(f"oci:{tmp_path / 'fat'}:list", "many:1", "--all")
    repository = name.rpartition(":")[0]
    assert client.pull(name) == mine
    client.refused("--platform=linux/s390x", name, why="nothing for linux/s390x", hint="linux/riscv64")
    client("image", "pull", "--platform=linux/riscv64", "--name=other", name)
    assert client.store.get("other").config.architecture == "riscv64"
    for pin in (index, mine):
        assert client.pull(f"{repository}@{pin}") == mine
        assert client.pull(f"{name}@{pin}") == mine
        before = len(plain.requests(r'"GET (\S*)'))
        shown = client("run", "--dry-run", "--pull=never", f"{repository}@{pin}", "--exec", "/top").stdout
        assert json.loads(shown)["apps"][0]["image"]["digest"] == mine
        assert len(plain.requests(r'"GET (\S*)')) == before, "a pinned image that is here needs no registry"
    client.refused(f"{repository}@sha256:{'0' * 64}", why="there is no such image")


def test_an_image_of_another_architecture_alone_is_refused_unless_asked_for(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "foreign:1", [BASE], architecture="s390x")
    client.refused(name, why="it is for linux/s390x, not for", hint="--platform linux/s390x")
    client.pull("--platform", "linux/s390x", name)


def test_unknown_names_and_registries_that_do_not_answer(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "known:1", [BASE])
    client.refused(f"{name}2", why="there is no such image", hint="manifest unknown")
    client.refused(f"{plain.host}/nobody/knows:1", why="there is no such image")
    client.refused(f"127.0.0.1:{free_port()}/a:1", why="cannot be reached", hint="connection refused")
    client.refused("--tls-verify=true", name, why="speaks plain HTTP", hint="--tls-verify=false")


def test_without_skopeo_the_error_says_what_to_install(client, tmp_path):
    client.refused("nginx", why="cannot run skopeo", hint="apt install skopeo", PATH=str(tmp_path))


def test_an_authority_nobody_knows(guest, closed):
    name = f"{closed.host}/team/secret:1"
    guest.refused(name, why="certificate is not trusted", hint="--cert-dir")
    guest.pull("--tls-verify=false", f"--creds={USER}:{PASSWORD}", name)


def test_a_login_that_is_missing_wrong_or_right(guest, closed, tmp_path):
    name, trust = f"{closed.host}/team/secret:1", f"--cert-dir={closed.certificates}"
    guest.refused(trust, name, why="wants a login", hint="skopeo login")
    guest.refused(trust, f"--creds={USER}:wrong", name, why="wants a login")
    logins = tmp_path / "auth.json"
    run("skopeo", "login", "--authfile", logins, "--cert-dir", closed.certificates, "-u", USER, "-p", PASSWORD,
        closed.host, env=closed.environment)  # fmt: skip
    first = guest.pull(trust, f"--authfile={logins}", name)
    assert guest.pull(trust, name, REGISTRY_AUTH_FILE=str(logins)) == first


def test_certificates_and_logins_of_the_host_are_used(guest, closed):
    folder = closed.containers / "certs.d" / closed.host
    folder.mkdir(parents=True)
    shutil.copy(closed.certificates / "ca.crt", folder / "ca.crt")
    logins = {"auths": {closed.host: {"auth": b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}}
    runtime = closed.place / "runtime"
    (runtime / "containers").mkdir(parents=True)
    (runtime / "containers/auth.json").write_text(json.dumps(logins))
    guest.pull(f"{closed.host}/team/secret:1", XDG_RUNTIME_DIR=str(runtime))
    shutil.rmtree(folder)


def test_a_policy_that_rejects_refuses_also_what_is_here(tmp_path):
    with serving(tmp_path / "registry") as registry:
        client = Client(tmp_path / "data", registry)
        name = pushed(registry, tmp_path, "judged:1", [BASE])
        registry.policy({"default": [{"type": "reject"}]})
        client.refused(
            name, why="the signature policy of this host refuses it", hint="containers-policy.json(5)"
        )
        registry.policy({"default": [{"type": "insecureAcceptAnything"}]})
        client.pull(name)
        registry.policy({"default": [{"type": "reject"}]})
        client.refused(name, why="the signature policy of this host refuses it")
        assert client("run", "--dry-run", name, "--exec", "/base").returncode == 0, (
            "missing: nothing is pulled"
        )


def test_signed_images_are_taken_and_others_refused(tmp_path):
    needs_program("gpg")
    with serving(tmp_path / "registry") as registry:
        home = registry.home / "gnupg"
        home.mkdir(mode=0o700)
        run("gpg", "--batch", "--passphrase", "", "--quick-gen-key", "signer@example.org", "default", "sign", "1d",
            env=registry.environment)  # fmt: skip
        key = registry.place / "key.gpg"
        run("gpg", "--output", key, "--export", "signer@example.org", env=registry.environment)
        signatures = registry.containers / "registries.d"
        signatures.mkdir()
        (signatures / "default.yaml").write_text(f"default-docker:\n  lookaside: file://{registry.place}/sigs\n"
                                                 f"  sigstore: file://{registry.place}/sigs\n")  # fmt: skip
        pushed(registry, tmp_path, "bare:1", [BASE])
        signed = pushed(registry, tmp_path, "signed:1", [BASE, TOP], "--sign-by", "signer@example.org")
        registry.policy({"default": [{"type": "reject"}], "transports": {"docker": {registry.host: [
            {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(key)}]}}})  # fmt: skip
        client = Client(tmp_path / "data", registry)
        client.refused(f"{registry.host}/bare:1", why="the signature policy of this host refuses it")
        assert client.pull(signed) == registry.digest("signed:1")
        run("gpgconf", "--kill", "all", env=registry.environment)


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_an_image_that_changes_between_question_and_answer_is_refused(client, plain, tmp_path, form):
    """Signatures are judged when skopeo copies: what was asked before must be the same image."""
    name = pushed(
        plain, tmp_path, f"changing:{form}", [BASE, TOP], "--format", form, config={"Cmd": ["/bad"]}
    )
    write_layout(tmp_path / "good", [BASE, TOP], config={"Cmd": ["/good"]})
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin/skopeo"
    push = f"/usr/bin/skopeo copy -q --format {form} --dest-tls-verify=false oci:{tmp_path}/good:latest docker://{name}"
    shim.write_text(f'#!/bin/sh\ncase " $* " in *" copy "*) {push} ;; esac\nexec /usr/bin/skopeo "$@"\n')
    shim.chmod(0o755)
    client.refused(name, why="shows one image and hands out another", PATH=f"{shim.parent}:{SYSTEM_PATH}")
    client.pull(name)
    client.store.remove(name, frozenset())
    client.pull(
        pushed(plain, tmp_path, f"other:{form}", [BASE, TOP], "--format", form, config={"Cmd": ["/bad"]})
    )
    plain.push(f"docker://{plain.host}/other:{form}", f"changing:{form}", "--src-tls-verify=false")
    client.refused(name, why="shows one image and hands out another", PATH=f"{shim.parent}:{SYSTEM_PATH}")


def test_a_blob_that_is_damaged_in_the_registry_is_refused(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "damaged:1", [archive(file("precious", noise(1 << 20)))])
    raw = json.loads(run("skopeo", "inspect", "--raw", f"docker://{name}", env=plain.environment))
    (data,) = plain.place.glob(f"storage/**/{raw['layers'][0]['digest'][7:]}/data")
    good = data.read_bytes()
    data.write_bytes(good[:4] + b"time" + good[8:])  # of a gzip header: what it unpacks to stays the same
    client.refused(name, why="does not have the digest")
    data.write_bytes(good)
    client.pull(name)


def big_layers() -> list[bytes]:
    contents = {"small": b"s" * 1000, "one": noise(3 << 20), "two": noise(9 << 20)}
    return [archive(file(name, data)) for name, data in contents.items()]


def held(gate: Gate, registry: Registry) -> str:
    """A name by which clients reach a registry through a gate."""
    registry.configure(f'[[registry]]\nlocation = "127.0.0.1:{gate.port}"\ninsecure = true\n')
    return f"127.0.0.1:{gate.port}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_pull_that_is_ended_goes_on_where_it_was(client, plain, tmp_path, number):
    layers = big_layers()
    name = pushed(plain, tmp_path, f"ended:{int(number)}", layers)
    with Gate(plain.port, 5 << 20) as gate:
        through = name.replace(plain.host, held(gate, plain))
        process = subprocess.Popen(
            client.argv("image", "pull", through), cwd=REPO, env=client.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        gate.wait()
        whole = eventually(lambda: list((client.root / "images/partial/sha256").glob("*")), "a whole blob")
        process.send_signal(number)
        assert process.wait(LIMIT) == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
        eventually(lambda: not children_of(client.root), "skopeo to end with it")
    assert client.store.images() == []
    assert number == signal.SIGKILL or client.scratch() == []
    plain.configure()
    before = len(plain.requests())
    client.pull(name)
    fetched = " ".join(plain.requests()[before:])
    assert [path.name for path in whole if path.name in fetched] == []
    assert client.store.get(name).layers == tuple(map(digest, layers))
    assert list((client.root / "images/partial/sha256").iterdir()) == []
    client("gc")
    assert client.scratch() == []


def children_of(root: Path) -> list[str]:
    """Processes whose command line names a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(root) in path.read_bytes():
                found.append(str(path))
        except OSError:
            continue
    return found


def test_a_registry_that_dies_midway_is_told_and_the_rest_comes_later(client, plain, tmp_path):
    layers = big_layers()
    name = pushed(plain, tmp_path, "dying:1", layers)
    with Gate(plain.port, 5 << 20) as gate:
        through = name.replace(plain.host, held(gate, plain))
        process = subprocess.Popen(
            client.argv("image", "pull", through), cwd=REPO, env=client.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        gate.wait()
        gate.cut()
        _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 125
    assert "cannot be reached" in err
    assert "goes on where it was interrupted" in err
    assert client.scratch() == []
    plain.configure()
    client.pull(name)
    assert client.store.get(name).layers == tuple(map(digest, layers))


def test_two_pulls_at_once_fetch_everything_once(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "twins:1", big_layers())
    with Gate(plain.port, 5 << 20) as gate:
        through = name.replace(plain.host, held(gate, plain))
        before = len(plain.requests())
        first = subprocess.Popen(client.argv("image", "pull", through), cwd=REPO, env=client.environment(),
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # fmt: skip
        gate.wait()
        words = client.argv("image", "pull", "--json", "--name=copy", name)
        second = subprocess.Popen(words, cwd=REPO, env=client.environment(),
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # fmt: skip
        assert second.stdout is not None
        assert json.loads(second.stdout.readline())["event"] == "waiting"
        gate.release()
        outs = [first.communicate(timeout=LIMIT)[0], second.communicate(timeout=LIMIT)[0]]
    plain.configure()
    assert (first.returncode, second.returncode) == (0, 0)
    assert outs[0].split()[-1] == json.loads(outs[1].splitlines()[-1])["digest"]
    layers = client.store.paths.blob(client.store.get("copy").digest).read_text()
    asked = [path.rpartition("/")[2] for path in plain.requests()[before:]]
    assert [asked.count(layer["digest"]) for layer in json.loads(layers)["layers"]] == [1, 1, 1]


def test_a_full_disk_leaves_nothing(plain, tmp_path):
    name = pushed(plain, tmp_path, "large:1", big_layers())
    root = tmp_path / "small"
    root.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=7M", "tmpfs", root)
    try:
        client = Client(root, plain)
        client.refused(name, why="no room", hint="pod gc")
        assert client.scratch() == []
        assert list((root / "images/partial/sha256").iterdir()) == []
    finally:
        run("umount", root)


def test_events_are_lines_of_json(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "events:1", [BASE, TOP])
    events = [json.loads(line) for line in client("image", "pull", "--json", name).stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["resolved", "done"]
    assert [layer["present"] for layer in events[0]["layers"]] == [False, False]
    assert events[-1] == {"event": "done", "name": name, "digest": plain.digest("events:1")}
    for layer in events[0]["layers"]:
        for kind in ("fetching", "unpacking"):
            told = [
                one["done"] for one in events if one["event"] == kind and one["digest"] == layer["digest"]
            ]
            assert told == sorted(told)
            assert told[-1] == layer["size"]
        assert {"event": "unpacked", "digest": layer["digest"]} in events


def test_plain_lines_and_silence(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "lines:1", [BASE, TOP])
    told = client("image", "pull", name).stderr.splitlines()
    assert told[0].startswith(f"{name} is sha256:")
    assert "2 layers, 2 to fetch" in told[0]
    assert (
        sorted(line.split(":")[1].split(",")[0].strip() for line in told[1:])
        == ["fetched"] * 2 + ["unpacked"] * 2
    )
    assert client("image", "pull", "-q", name).stderr == ""


def test_a_service_manager_learns_that_it_goes_on(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "notify:1", [BASE])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        client("run", "--dry-run", name, "--exec", "/base", NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert b"EXTEND_TIMEOUT_USEC=" in manager.recv(4096, socket.MSG_DONTWAIT)


def test_when_to_ask_the_registry(client, tmp_path):
    with serving(tmp_path / "registry") as registry:
        client.registry = registry
        name = pushed(registry, tmp_path, "moving:1", [BASE])
        asked = lambda: len(registry.requests(r'"(GET /v2/\S+/manifests/\S+)'))  # noqa: E731

        def ran(policy: str, status: int = 0) -> str:
            done = client("run", "--dry-run", f"--pull={policy}", name, "--exec", "/base", status=status)
            return json.loads(done.stdout)["apps"][0]["image"]["digest"] if status == 0 else done.stderr

        assert "no image" in ran("never", 125)
        assert asked() == 0
        first = ran("missing")
        before = asked()
        assert (ran("missing"), ran("never")) == (first, first)
        assert asked() == before
        write_layout(tmp_path / "new", [BASE, TOP])
        registry.push(f"oci:{tmp_path / 'new'}:latest", "moving:1")
        assert ran("missing") == first
        second = ran("newer")
        assert second == registry.digest("moving:1") != first
        write_layout(tmp_path / "newest", [TOP])
        registry.push(f"oci:{tmp_path / 'newest'}:latest", "moving:1")
        assert ran("always") == registry.digest("moving:1") != second
        registry.stop()
        done = client("run", "--dry-run", "--pull=newer", name, "--exec", "/top")
        assert "the image that is here is taken" in done.stderr
        assert "cannot be reached" in ran("always", 125)
        assert json.loads(client("image", "ls", "--json").stdout)[0]["name"] == name


def test_short_names_mean_what_the_configuration_says(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "tool:latest", [BASE])
    other = pushed(plain, tmp_path, "else/where:latest", [TOP])
    search = f'unqualified-search-registries = ["127.0.0.1:{free_port()}"]\n'
    plain.configure(f'unqualified-search-registries = ["{plain.host}"]\n[aliases]\nalias = "{other[:-7]}"\n')
    assert client.pull("tool") == plain.digest("tool")
    assert client.pull("alias") == plain.digest("else/where")
    assert {image.name for image in client.store.images()} == {name, other}
    two = f'["127.0.0.1:{free_port()}", "{plain.host}"]'
    plain.configure(f"unqualified-search-registries = {two}\n")
    done = client("image", "pull", "tool", status=2)
    assert f"{plain.host}/tool:latest" in done.stderr
    plain.configure(f'unqualified-search-registries = {two}\nshort-name-mode = "permissive"\n')
    client("image", "pull", "tool", status=125)
    plain.configure(search)
    assert "cannot be reached" in client("image", "pull", "tool", status=125).stderr
    plain.configure()


def test_mirrors_and_blocks_of_the_configuration_hold(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "mirrored:1", [BASE])
    plain.configure(
        '[[registry]]\nprefix = "registry.example"\nlocation = "registry.example"\n'
        f'[[registry.mirror]]\nlocation = "{plain.host}"\ninsecure = true\n'
        '[[registry]]\nlocation = "blocked.example"\nblocked = true\n'
    )
    assert client.pull("registry.example/mirrored:1") == plain.digest("mirrored:1")
    assert client.store.get("registry.example/mirrored:1").digest == client.store.get("mirrored:1").digest
    client.refused("blocked.example/a:1", why="blocks its registry")
    plain.configure()
    assert client.pull(name)


PODMAN_CONFIGURATION = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'


def runroot(tmp_path: Path) -> Path:
    """A short path, which is all that podman takes."""
    return Path(f"/tmp/podrun-{os.getpid()}-{tmp_path.stat().st_ino}")


def tool(client: Client, tmp_path: Path, *words: object) -> str:
    """Run podman or buildah on a storage of the test."""
    needs_program(str(words[0]))
    (tmp_path / "containers.conf").write_text(PODMAN_CONFIGURATION)
    places = ["--root", tmp_path / "storage", "--runroot", runroot(tmp_path), "--storage-driver", "vfs"]
    environment = {**client.registry.environment, "CONTAINERS_CONF": str(tmp_path / "containers.conf")}
    return run(words[0], *places, *words[1:], env=environment)


def test_images_of_podmans_storage_and_archives(client, tmp_path):
    layout = write_layout(tmp_path / "layout", [BASE, TOP], config={"Cmd": ["/top"]})
    identifier = tool(client, tmp_path, "podman", "pull", "--quiet", f"oci:{layout}:latest").strip()
    tool(client, tmp_path, "podman", "tag", identifier, "localhost/kept:1")
    place = f"containers-storage:[vfs@{tmp_path / 'storage'}+{runroot(tmp_path)}]localhost/kept:1"
    client("image", "pull", place)
    image = client.store.get("localhost/kept:1")
    assert (image.layers, image.config.cmd) == ((digest(BASE), digest(TOP)), ("/top",))
    client("image", "pull", "--name=again", place)
    assert client.store.get("again").layers == image.layers
    assert "there is no such image" in client("image", "pull", place[:-1] + "2", status=125).stderr
    tool(client, tmp_path, "podman", "save", "--quiet", "-o", tmp_path / "saved.tar", "localhost/kept:1")
    client("image", "pull", "--name=saved", f"docker-archive:{tmp_path / 'saved.tar'}")
    assert client.store.get("saved").layers == image.layers
    assert client.scratch() == []
    shutil.rmtree(runroot(tmp_path))


def test_an_image_that_buildah_built_and_pushed(client, plain, tmp_path):
    layout = write_layout(tmp_path / "layout", [BASE])
    work = tool(client, tmp_path, "buildah", "from", f"oci:{layout}:latest").strip()
    (tmp_path / "added").write_bytes(b"added")
    tool(client, tmp_path, "buildah", "copy", work, tmp_path / "added", "/added")
    tool(client, tmp_path, "buildah", "config", "--cmd", "/added", work)
    tool(client, tmp_path, "buildah", "commit", "--quiet", work, "localhost/built:1")
    tool(client, tmp_path, "buildah", "push", "--tls-verify=false", "localhost/built:1",
         f"docker://{plain.host}/built:1")  # fmt: skip
    assert client.pull(f"{plain.host}/built:1") == plain.digest("built:1")
    image = client.store.get("built:1")
    assert image.config.cmd == ("/added",)
    assert any((client.store.layer_path(layer) / "added").exists() for layer in image.layers)
    shutil.rmtree(runroot(tmp_path))


def test_an_image_that_umoci_made(client, plain, tmp_path):
    layout = write_layout(tmp_path / "layout", [BASE])
    run("umoci", "unpack", "--image", f"{layout}:latest", tmp_path / "bundle")
    (tmp_path / "bundle/rootfs/new").write_text("new")
    (tmp_path / "bundle/rootfs/base").unlink()
    run("umoci", "repack", "--image", f"{layout}:changed", tmp_path / "bundle")
    name = plain.push(f"oci:{layout}:changed", "umoci:1")
    assert client.pull(name) == plain.digest("umoci:1")
    top = client.store.layer_path(client.store.get(name).layers[-1])
    assert (top / "new").read_text() == "new"


def test_without_a_docker_daemon_the_error_says_so(client):
    client.refused(
        "docker-daemon:a:1", why="Docker daemon does not answer", DOCKER_HOST="unix:///nonexistent"
    )


def test_the_docker_daemon_that_the_environment_names_is_the_one_that_is_asked(client, tmp_path):
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "d.sock"))
        daemon.listen()
        pulling = subprocess.Popen(
            client.argv("image", "pull", "docker-daemon:a:1"), cwd=REPO,
            env=client.environment(DOCKER_HOST=f"unix://{tmp_path / 'd.sock'}"), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        daemon.settimeout(LIMIT)
        asking, _ = daemon.accept()
        with asking:
            assert b"HTTP/1.1" in asking.recv(4096)
    assert pulling.wait(LIMIT) == 125


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_podman_loads_what_was_exported(client, tmp_path, transport):
    layout = write_layout(tmp_path / "layout", [BASE, TOP], config={"Cmd": ["/top"]})
    client("image", "pull", "--name=localhost/mine:1", f"oci:{layout}:latest")
    client("image", "export", "localhost/mine:1", f"{transport}:{tmp_path / 'output'}")
    tool(client, tmp_path, "podman", "load", "--quiet", "-i", tmp_path / "output")
    (loaded,) = json.loads(tool(client, tmp_path, "podman", "image", "inspect", "localhost/mine:1"))
    assert loaded["RootFS"]["Layers"] == [digest(BASE), digest(TOP)]
    assert loaded["Config"]["Cmd"] == ["/top"]
    shutil.rmtree(runroot(tmp_path))


def test_a_terminal_sees_a_line_for_each_layer(client, plain, tmp_path):
    name = pushed(plain, tmp_path, "shown:1", [BASE, MIDDLE, TOP])
    leader, follower = os.openpty()
    process = subprocess.Popen(
        client.argv("image", "pull", name), cwd=REPO, stderr=follower, stdout=subprocess.DEVNULL,
        env=client.environment(TERM="xterm", COLUMNS="120"),
    )  # fmt: skip
    os.close(follower)
    text = shown_on(leader)
    assert process.wait(LIMIT) == 0
    for layer in json.loads(run("skopeo", "inspect", "--raw", f"docker://{name}", env=plain.environment))[
        "layers"
    ]:
        assert layer["digest"][7:19] in text
    assert "done" in text
    assert "\x1b[?25h" in text, "the cursor is there again"
    os.close(leader)


def test_what_skopeo_copies_to_a_directory_comes_back(client, plain, tmp_path):
    index, mine = write_list(tmp_path / "fat")
    run(
        "skopeo",
        "copy",
        "--all",
        f"oci:{tmp_path / 'fat'}:list",
        f"dir:{tmp_path / 'all'}",
        env=plain.environment,
    )
    run("skopeo", "copy", f"oci:{tmp_path / 'fat'}:list", f"dir:{tmp_path / 'one'}", env=plain.environment)
    assert client.pull(f"dir:{tmp_path / 'all'}") == client.pull(f"dir:{tmp_path / 'one'}") == mine != index
    image = client.store.get("one")
    assert image.layers == (digest(BASE), digest(TOP))
    client("image", "pull", "--platform=linux/riscv64", "--name=there", f"dir:{tmp_path / 'all'}")
    assert client.store.get("there").config.architecture == "riscv64"
    (tmp_path / "one/version").unlink()
    assert client.pull("--name=root", f"dir:{tmp_path / 'one'}") != mine, (
        "without the mark it is a root file system"
    )


def test_files_of_this_host_tell_their_progress_too(client, tmp_path):
    layout = write_layout(tmp_path / "layout", [BASE, TOP])
    events = [
        json.loads(line)
        for line in client("image", "pull", "--json", f"oci:{layout}:latest").stdout.splitlines()
    ]
    assert [events[0]["event"], events[-1]["event"]] == ["resolved", "done"]
    assert sum(event["event"] == "unpacked" for event in events) == 2
    told = client("image", "pull", "--name=again", f"oci:{layout}:latest").stderr.splitlines()
    assert "2 layers, 2 to unpack" in told[0]
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").write_text("x")
    assert "1 layer, 1 to unpack" in client("image", "pull", f"dir:{tmp_path / 'root'}").stderr
    assert client("image", "import", f"dir:{tmp_path / 'root'}").stderr == "", "no terminal, no progress"
