"""PURE. Names of images in registries: `[DOMAIN/]PATH[:TAG][@DIGEST]`, and what the short ones among them mean.

A name whose first part has neither a dot nor a port and is not `localhost` is short: it does not say which registry
it means. containers-registries.conf(5) says it: aliases first, then the registries to search.
"""

from __future__ import annotations

import re

from stage0.image.names import DEFAULT_TAG, REPOSITORY, TAG, is_digest
from stage1.contract.errors import UsageError
from stage1.contract.values import NamedTuple

DOCKER = "docker://"
HUB = "docker.io"
_HUB_OF_OLD = "index.docker.io"
_HUB_FOLDER = "library"
_MODES = ("enforcing", "permissive", "disabled")
_HINT = (
    "a name is [REGISTRY[:PORT]/]PATH[:TAG][@sha256:HEX], such as nginx:1.27 or quay.io/team/app@sha256:…"
)


class Reference(NamedTuple):
    """A name, taken apart; "" for what it does not say."""

    domain: str
    path: str
    tag: str
    digest: str

    @property
    def repository(self) -> str:
        """The name without tag and digest."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def name(self) -> str:
        """What the image is called in the store: by its tag, or by its digest if the name has no tag."""
        if self.digest and not self.tag:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag or DEFAULT_TAG}"

    @property
    def address(self) -> str:
        """What skopeo calls it: no tag beside a digest."""
        if self.digest:
            return f"{DOCKER}{self.repository}@{self.digest}"
        return f"{DOCKER}{self.name}"

    def at(self, digest: str) -> Reference:
        """Another image of the same repository."""
        return self._replace(tag="", digest=digest)


def parse_reference(text: str) -> Reference:
    """Take a name apart, with or without `docker://` before it, which makes a short name one of the hub."""
    bare = text.removeprefix(DOCKER)
    head, at, digest = bare.partition("@")
    repository, colon, tag = head.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = head, ""
    wrong = at and not is_digest(digest)
    if wrong or head.endswith(":") or not re.fullmatch(REPOSITORY, repository) or (
        tag and not re.fullmatch(TAG, tag)
    ):  # fmt: skip
        problem = "its digest is not sha256:HEX" if wrong else "it is not valid"
        raise UsageError(f"image name {text!r}: {problem}", hint=_HINT)
    domain, path = _split_domain(repository)
    if text.startswith(DOCKER) and not domain:
        domain = HUB
    return _in_hub(Reference(domain, path, tag, digest))


def _split_domain(repository: str) -> tuple[str, str]:
    first, slash, rest = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        return first, rest
    return "", repository


def _in_hub(reference: Reference) -> Reference:
    """Images of the hub itself lie in a folder nobody writes."""
    domain = HUB if reference.domain == _HUB_OF_OLD else reference.domain
    if domain == HUB and "/" not in reference.path:
        return reference._replace(domain=domain, path=f"{_HUB_FOLDER}/{reference.path}")
    return reference._replace(domain=domain)


class ShortNames(NamedTuple):
    """What this host's configuration says of short names."""

    aliases: dict[str, str] = {}  # noqa: RUF012 (never changed)
    search: tuple[str, ...] = ()
    mode: str = "enforcing"

    def meanings(self, reference: Reference) -> tuple[Reference, ...]:
        """Every full name to try, in this order; the hub if nothing is configured."""
        if reference.domain:
            return (reference,)
        alias = self.aliases.get(reference.path)
        if alias:
            target = parse_reference(alias)
            return (_in_hub(target._replace(tag=reference.tag, digest=reference.digest)),)
        found = tuple(_in_hub(reference._replace(domain=domain)) for domain in self.search or (HUB,))
        if len(found) > 1 and self.mode == "enforcing":
            names = " or ".join(each.name for each in found)
            raise UsageError(
                f"the short name {reference.path!r} may mean an image of {len(found)} registries",
                hint=f"write {names}; see unqualified-search-registries in containers-registries.conf(5)",
            )
        return found


def read_short_names(documents: list[tuple[str, object]]) -> ShortNames:
    """Merge parsed configuration files, each with its name, the later ones before the earlier."""
    names = ShortNames(aliases={})
    for what, document in documents:
        if not isinstance(document, dict):
            raise _bad(what, "it is not a table")
        search = document.get("unqualified-search-registries", list(names.search))
        mode = document.get("short-name-mode", names.mode)
        aliases = document.get("aliases", {})
        if not isinstance(search, list) or not all(isinstance(each, str) for each in search):
            raise _bad(what, "unqualified-search-registries is not a list of words")
        if mode not in _MODES:
            raise _bad(what, f"short-name-mode is none of {', '.join(_MODES)}")
        if not isinstance(aliases, dict) or not all(isinstance(each, str) for each in aliases.values()):
            raise _bad(what, "aliases is not a table of names")
        names = ShortNames({**names.aliases, **aliases}, tuple(search), mode)
    return names


def _bad(what: str, problem: str) -> UsageError:
    return UsageError(f"{what}: {problem}", hint="see containers-registries.conf(5)")
