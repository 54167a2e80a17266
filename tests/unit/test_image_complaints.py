"""What skopeo says when it fails, in its own words, becomes one sentence and one advice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.image.complaints import explain, last_words
from stage0.image.model import ImageError
from stage1.contract.errors import HostError, NotFoundError


def said(text: str) -> str:
    """As skopeo writes it, after other lines."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'Getting image source signatures\ntime="2026-01-01T00:00:00Z" level=fatal msg="{escaped}"\n'


# The words of skopeo 1.9 and later, and of the registries behind it.
CASES = [
    ('Error parsing image name "docker://h/x:y": reading manifest y in h/x: manifest unknown: manifest unknown',
     NotFoundError, "there is no such image"),
    ('pinging container registry h: Get "https://h/v2/": dial tcp 10.0.0.1:443: connect: connection refused',
     HostError, "cannot be reached"),
    ('pinging container registry h: Get "https://h/v2/": dial tcp: lookup h on 127.0.0.53:53: no such host',
     HostError, "cannot be reached"),
    ('Get "https://h/v2/": x509: certificate signed by unknown authority', HostError, "certificate is not trusted"),
    ('Get "https://h/v2/": tls: failed to verify certificate: x509: certificate has expired', HostError,
     "certificate is not trusted"),
    ('Get "https://h/v2/": http: server gave HTTP response to HTTPS client', HostError, "plain HTTP"),
    ("unable to retrieve auth token: invalid username/password: unauthorized: incorrect username or password",
     HostError, "wants a login"),
    ("reading manifest 1 in docker.io/a/b: errors: denied: requested access to the resource is denied", HostError,
     "wants a login"),
    ("Source image rejected: Running image docker://h/x:1 is rejected by policy.", ImageError, "signature policy"),
    ("Source image rejected: A signature was required, but no signature exists", ImageError, "signature policy"),
    ("Error loading trust policy: open /etc/containers/policy.json: no such file or directory", HostError,
     "cannot be read"),
    ("writing blob: storing blob to file: write /x/oci-put-blob1: no space left on device", HostError, "no room"),
    ("reading manifest: toomanyrequests: You have reached your pull rate limit", HostError, "more requests"),
    ("choosing image instance: no image found in manifest list for architecture s390x, variant , OS linux", ImageError,
     "nothing for this platform"),
    ("writing blob: happened during read: Digest did not match, expected sha256:1, got sha256:2", ImageError,
     "does not have the digest"),
    ("happened during read: unexpected EOF", HostError, "cannot be reached"),
    ('registry blocked.example is blocked in /etc/containers/registries.conf', ImageError, "blocks its registry"),
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", HostError,
     "Docker daemon"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "problem"), CASES)
def test_a_known_reason_becomes_one_sentence_and_one_advice(text, kind, problem):
    error = explain(said(text), "h/x:1")
    assert type(error) is kind
    assert error.message.startswith("cannot pull h/x:1: ")
    assert problem in error.message
    assert "\n" not in error.message + error.hint
    assert text.rpartition(": ")[2][:40] in error.hint


def test_a_reason_nobody_knows_stays_as_it_is():
    assert explain(said("something quite new"), "x") is None


def test_the_name_of_the_image_is_not_repeated():
    assert (
        last_words(said('Error parsing image name "docker://h/x:y": reading manifest y'))
        == "reading manifest y"
    )


@given(st.text(max_size=200))
def test_any_words_are_understood_or_not(text):
    error = explain(text, "x")
    assert error is None or error.hint
