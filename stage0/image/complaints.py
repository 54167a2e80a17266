"""PURE. What skopeo says when it fails, as errors of ours: each known reason is one sentence and one advice."""

from __future__ import annotations

import re

from stage0.image.model import ImageError
from stage1.contract.errors import HostError, NotFoundError, PodError
from stage1.contract.values import NamedTuple

_MSG = re.compile(r'level=(?:fatal|error) msg="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_PARSING = re.compile(
    r'Error (?:parsing image name|initializing source|reading (?:manifest|blob))[^:]*"[^"]*": '
)


class _Reason(NamedTuple):
    pattern: str  # compiled only when something went wrong
    kind: type[PodError]
    problem: str
    hint: str


# The first that fits decides.
_REASONS = (
    _Reason(
        r"no space left on device|disk quota exceeded", HostError, "there is no room for it on this disk",
        "make room: `pod gc` removes ended pods and unused images; nothing of this image was kept",
    ),
    _Reason(
        r"error loading trust policy|policy\.json: no such file|invalid policy", HostError,
        "the signature policy of this host cannot be read",
        "write /etc/containers/policy.json, or install it: apt install golang-github-containers-common, "
        "dnf install containers-common, or pacman -S containers-common",
    ),
    _Reason(
        r"source image rejected: |rejected by policy|a signature was required, but no signature exists",
        ImageError, "the signature policy of this host refuses it",
        "see containers-policy.json(5): have the image signed, or allow its registry",
    ),
    _Reason(
        r"registry \S+ is blocked|blocked in", ImageError, "this host's configuration blocks its registry",
        "see containers-registries.conf(5)",
    ),
    _Reason(
        r"x509: |tls: bad certificate|tls: certificate required", HostError,
        "the registry's certificate is not trusted",
        "put the authority's certificate into /etc/containers/certs.d/HOST:PORT/ca.crt or use --cert-dir; "
        "--tls-verify=false trusts anybody",
    ),
    _Reason(
        r"server gave HTTP response to HTTPS client", HostError, "the registry speaks plain HTTP",
        "if you trust the network on the way: --tls-verify=false, or insecure = true in containers-registries.conf(5)",
    ),
    _Reason(
        r"toomanyrequests|too many requests|status 429", HostError, "the registry refuses more requests for now",
        "wait, or log in: skopeo login REGISTRY",
    ),
    _Reason(
        r"unauthorized|authentication required|invalid username/password|no basic auth credentials|"
        r"\bdenied: |requested access to the resource is denied|"
        r"status(?: code)?:? 40[13]|http 40[13]", HostError, "the registry wants a login, or refuses this one",
        "log in with `skopeo login REGISTRY`, or give --authfile or --creds",
    ),
    _Reason(
        r"no image found in (?:manifest list|image index) for|choosing an image from manifest list",
        ImageError, "it has nothing for this platform",
        "choose another with --platform",
    ),
    _Reason(
        r"manifest unknown|name unknown|name_unknown|repository .*not found|status(?: code)?:? 404|http 404|"
        r"does not resolve to an image|no such image|not a valid manifest", NotFoundError,
        "there is no such image", "check name and tag; a private image may also need a login",
    ),
    _Reason(
        r"cannot connect to the docker daemon", HostError, "the Docker daemon does not answer",
        "start it, or set DOCKER_HOST",
    ),
    _Reason(
        r"digest did not match|does not match (?:the )?(?:provided|expected)|digest mismatch|"
        r"manifest digest .* does not match", ImageError, "what came does not have the digest it was asked for by",
        "the registry or a mirror on the way is damaged or lies; nothing was kept",
    ),
    _Reason(
        r"dial tcp|no such host|connection refused|i/o timeout|network is unreachable|no route to host|"
        r"connection reset|tls: |unexpected eof|broken pipe|timeout exceeded|server misbehaving|\beof\b|"
        r"status(?: code)?:? 50\d|http 50\d", HostError, "the registry cannot be reached",
        "check the name of the registry and the network; a pull goes on where it was interrupted",
    ),
)  # fmt: skip


def explain(said: str, what: str) -> PodError | None:
    """The error for what skopeo said about an image; None if the reason is none of those known."""
    words = last_words(said)
    for reason in _REASONS:
        if re.search(reason.pattern, words, re.IGNORECASE | re.DOTALL):
            return reason.kind(
                f"cannot pull {what}: {reason.problem}", hint=f"{reason.hint} ({_short(words)})"
            )
    return None


def last_words(said: str) -> str:
    """The reason skopeo gives: the text of its last complaint, without the image's name before it."""
    found = _MSG.findall(said)
    text = _ESCAPED.sub(r"\1", found[-1]) if found else " ".join(said.split())
    return _PARSING.sub("", text)


def _short(words: str) -> str:
    return words if len(words) <= 300 else f"{words[:300]}…"
