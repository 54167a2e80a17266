"""EFFECT. Debian's docker-registry on loopback, with and without TLS and login, and a gate that can hold its line.

Clients find their configuration below `home`; nothing of the machine's own is used.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import needs_program
from tests.root.pods import PATIENCE, SYSTEM_PATH, eventually

ACCEPT_ANYTHING = {"default": [{"type": "insecureAcceptAnything"}]}
USER, PASSWORD = "tester", "sec:ret"


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(kw_only=True)
class Registry:
    """A registry, its data, and the configuration of its clients."""

    place: Path
    tls: bool = False
    login: bool = False
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        for program in ("docker-registry", "skopeo"):
            needs_program(program)
        self.containers.mkdir(parents=True)
        self.policy(ACCEPT_ANYTHING)
        self.configure()
        if self.tls:
            self._certify()
        if self.login:
            needs_program("htpasswd")
            told = run("htpasswd", "-Bbn", USER, PASSWORD)
            (self.place / "htpasswd").write_text(told.strip() + "\n")
        self.start()

    @property
    def host(self) -> str:
        """What names of its images begin with."""
        return f"127.0.0.1:{self.port}"

    @property
    def home(self) -> Path:
        """HOME of clients."""
        return self.place / "home"

    @property
    def containers(self) -> Path:
        """Their configuration."""
        return self.home / ".config" / "containers"

    @property
    def environment(self) -> dict[str, str]:
        """All that clients need to know."""
        return {"HOME": str(self.home), "PATH": SYSTEM_PATH, "GNUPGHOME": str(self.home / "gnupg")}

    def policy(self, document: object) -> None:
        """Set the signature policy."""
        (self.containers / "policy.json").write_text(json.dumps(document))

    def configure(self, text: str = "") -> None:
        """Set registries.conf; a registry without TLS is allowed to be so."""
        insecure = "" if self.tls else f'[[registry]]\nlocation = "{self.host}"\ninsecure = true\n'
        (self.containers / "registries.conf").write_text(f"{text}\n{insecure}")

    def start(self) -> None:
        """Run it and wait until it answers."""
        http = f"{{addr: '{self.host}'" + (
            f", tls: {{certificate: {self.place}/server.crt, key: {self.place}/server.key}}}}"
            if self.tls
            else "}"
        )
        auth = f"auth: {{htpasswd: {{realm: test, path: {self.place}/htpasswd}}}}\n" if self.login else ""
        (self.place / "config.yml").write_text(
            f"version: 0.1\nlog: {{level: info, formatter: text}}\n{auth}"
            f"storage: {{filesystem: {{rootdirectory: {self.place}/storage}}, delete: {{enabled: true}}}}\n"
            f"http: {http}\n"
        )
        with (self.place / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", self.place / "config.yml"],
                stdout=log,
                stderr=log,
                env=self.environment,
            )
        eventually(self._answers, "the registry to answer")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        assert self.process is not None
        assert self.process.poll() is None, (self.place / "log").read_text()
        return False

    def stop(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _certify(self) -> None:
        needs_program("openssl")
        run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{self.place}/server.key",
            "-out", f"{self.place}/server.crt",
        )  # fmt: skip
        self.certificates.mkdir()
        shutil.copy(self.place / "server.crt", self.certificates / "ca.crt")

    @property
    def certificates(self) -> Path:
        """A directory for `--cert-dir`."""
        return self.place / "certificates"

    def push(self, source: str, name: str, *options: str) -> str:
        """Put an image there with skopeo; its full name."""
        access = [f"--dest-tls-verify={'true' if self.tls else 'false'}"]
        access += [f"--dest-cert-dir={self.certificates}"] if self.tls else []
        access += [f"--dest-creds={USER}:{PASSWORD}"] if self.login else []
        target = f"docker://{self.host}/{name}"
        run("skopeo", "copy", "--quiet", *access, *options, source, target, env=self.environment)
        return f"{self.host}/{name}"

    def digest(self, name: str) -> str:
        """What the registry says an image's digest is."""
        return run(
            "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{self.host}/{name}",
            env=self.environment,
        ).strip()  # fmt: skip

    def requests(self, pattern: str = r'"GET (/v2/\S*/blobs/\S*) HTTP') -> list[str]:
        """Paths that were asked for so far, by default those of blobs."""
        return re.findall(pattern, (self.place / "log").read_text())


def run(*argv: object, env: dict[str, str] | None = None) -> str:
    """Run a program; what it said is the failure."""
    environment = {"PATH": SYSTEM_PATH, "HOME": "/nonexistent"} if env is None else env
    done = subprocess.run(
        [str(word) for word in argv],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def serving(place: Path, **how: bool) -> Iterator[Registry]:
    """A registry for the time of a test."""
    place.mkdir(parents=True, exist_ok=True)
    registry = Registry(place=place, **how)
    try:
        yield registry
    finally:
        registry.stop()


class Gate:
    """A port before a registry's: a connection on which so many bytes came from the registry is held."""

    def __init__(self, behind: int, most: int) -> None:
        self.held, self._open = threading.Event(), threading.Event()
        self._behind, self._most = behind, most
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def wait(self) -> None:
        """Until the line is held."""
        assert self.held.wait(PATIENCE), "so much was never asked for"

    def release(self) -> None:
        """Let everything pass from now on."""
        self._open.set()

    def cut(self) -> None:
        """Close every connection and take no more."""
        with contextlib.suppress(OSError):  # close(2) alone would let the accept(2) under way take one more
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._open.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._behind))
                with self._lock:
                    self._sockets += [client, server]
                for pair, counted in (((client, server), False), ((server, client), True)):
                    threading.Thread(target=self._pass, args=(*pair, counted), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                passed += len(data) if counted else 0
                if passed > self._most and not self._open.is_set():
                    self.held.set()
                    self._open.wait()
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def noise(size: int) -> bytes:
    """Bytes that no compression makes shorter."""
    return os.urandom(size)
