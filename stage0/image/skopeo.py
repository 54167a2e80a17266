"""EFFECT. skopeo, which talks to registries, daemons and other stores for us.

It reads the host's own configuration: containers-registries.conf(5), containers-policy.json(5),
containers-auth.json(5), containers-certs.d(5). Its complaints become errors in `complaints`.
"""

from __future__ import annotations

import os
from pathlib import Path

from stage0 import command
from stage0.image.complaints import explain
from stage0.image.platforms import Platform
from stage0.image.wish import Wish
from stage1.contract.values import NamedTuple

# What tells skopeo and the programs it calls where their configuration lies and which way leads to a registry.
_PASSED_ON = (
    "REGISTRY_AUTH_FILE", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_CONF",
    "STORAGE_DRIVER", "STORAGE_OPTS", "DOCKER_CONFIG", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
    "XDG_CONFIG_HOME", "XDG_DATA_HOME", "GNUPGHOME", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
_RETRIES = "2"
TAG = "pulled"


class Skopeo(NamedTuple):
    """skopeo with the options of one pull; `what` is how the image is called in errors."""

    wish: Wish
    platform: Platform
    what: str

    def manifest(self, address: str) -> bytes:
        """The manifest or index at an address, byte for byte."""
        return self._inspect("--raw", address)

    def start_config(self, address: str) -> command.Running:
        """Begin to fetch the config of the image at an address, byte for byte."""
        words = ("inspect", "--raw", "--config", *self._access("", address), address)
        return command.Running(self._argv(*words), environment=_environment())

    def start_copy(self, address: str, layout: Path, blobs: Path, *, exact: bool) -> command.Running:
        """Begin to copy an image into a layout, what is in `blobs` already left out.

        Here skopeo applies the signature policy. The signatures themselves have no place in a layout. `exact`
        forbids to change the manifest, which only one of Docker's own format needs.
        """
        words = [
            "copy", "--remove-signatures", "--dest-oci-accept-uncompressed-layers", "--retry-times", _RETRIES,
            "--dest-shared-blob-dir", str(blobs), *self._access("src-", address),
        ]  # fmt: skip
        if exact:
            words.append("--preserve-digests")
        argv = self._argv(*words, address, f"oci:{layout}:{TAG}")
        return command.Running(argv, environment=_environment())

    def finish(self, running: command.Running) -> None:
        """Wait for its end; a failure becomes an error of ours."""
        running.wait()
        try:
            running.check()
        except command.CommandError as error:
            raise self.explained(error) from None

    def explained(self, error: command.CommandError) -> Exception:
        """What a failure means for the user."""
        return explain(error.said, self.what) or error

    def _inspect(self, option: str, address: str) -> bytes:
        try:
            return command.run(
                self._argv("inspect", option, *self._access("", address), address),
                environment=_environment(),
            )
        except command.CommandError as error:
            raise self.explained(error) from None

    def _argv(self, *words: str) -> list[str]:
        chosen = ["--override-os", "linux", "--override-arch", self.platform.architecture]
        if self.platform.variant:
            chosen += ["--override-variant", self.platform.variant]
        return ["skopeo", *chosen, *words]

    def _access(self, side: str, address: str) -> list[str]:
        wish, words = self.wish, []
        if address.startswith("docker-daemon:") and (host := os.environ.get("DOCKER_HOST")):
            words += [f"--{side}daemon-host", host]  # skopeo does not look at the variable itself
        if wish.authfile:
            words += [f"--{side}authfile", wish.authfile]
        if wish.creds:
            words += [f"--{side}creds", wish.creds]
        if wish.cert_dir:
            words += [f"--{side}cert-dir", wish.cert_dir]
        if wish.tls_verify is not None:
            words.append(f"--{side}tls-verify={str(wish.tls_verify).lower()}")
        return words


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
