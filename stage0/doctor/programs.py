"""PURE. Checks of programs and Python packages, ours and others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stage0.doctor import features as table
from stage0.doctor.facts import Facts
from stage0.doctor.finding import Finding, Level, install, systemd_version, version

SKOPEO_FLOOR = (1, 5)  # --preserve-digests

# Python package: whether pods cannot do without, Debian, Fedora, Arch, openSUSE
_MODULES: dict[str, tuple[bool, str, str, str, str]] = {
    "jinja2": (True, "python3-jinja2", "python3-jinja2", "python-jinja", "python3-Jinja2"),
    "pydantic": (True, "python3-pydantic", "python3-pydantic", "python-pydantic", "python3-pydantic"),
    "pystemd": (False, "python3-pystemd", "python3-pystemd", "python-pystemd", "python3-pystemd"),
    "yaml": (False, "python3-yaml", "python3-pyyaml", "python-yaml", "python3-PyYAML"),
    "zstandard": (False, "python3-zstandard", "python3-zstandard", "python-zstandard", "python3-zstandard"),
}

MODULES = tuple(_MODULES)
_PIP = {"yaml": "pyyaml"}

# program: Debian, Fedora, Arch, openSUSE
_TOOLS = {
    "ldd": ("libc-bin", "glibc-common", "glibc", "glibc"),
    "mount": ("mount", "util-linux", "util-linux", "util-linux"),
    "unshare": ("util-linux", "util-linux", "util-linux", "util-linux"),
    "stat": ("coreutils", "coreutils", "coreutils", "coreutils"),
}

PROGRAMS = (*_TOOLS, *table.PROGRAMS)


def native(facts: Facts) -> Finding:
    """Our own C programs."""
    if not facts.unbuilt:
        return Finding(check="native programs", level=Level.OK, found="built")
    return Finding(
        check="native programs",
        level=Level.MISSING,
        found=f"not built: {', '.join(facts.unbuilt)}",
        advice=(
            "make native",
            *install(
                "gcc make libc6-dev", "gcc make glibc-static", "gcc make", "gcc make glibc-devel-static"
            ),
        ),
    )


def python(facts: Facts) -> Finding:
    """Packages that we import."""
    if not facts.modules:
        return Finding(check="Python packages", level=Level.OK, found="all there")
    needed = any(_needs_module(name, facts) for name in facts.modules)
    packages = [_MODULES[name][1:] for name in facts.modules]
    return Finding(
        check="Python packages",
        level=Level.MISSING if needed else Level.WARN,
        found=f"missing: {', '.join(facts.modules)}",
        advice=(
            *install(*(" ".join(package[system] for package in packages) for system in range(4))),
            f"where one of them is no package: pip install {' '.join(_PIP.get(name, name) for name in facts.modules)}",
        ),
    )


def _needs_module(name: str, facts: Facts) -> bool:
    """pystemd makes the units of pods that run in the background, where systemd is PID 1."""
    return _MODULES[name][0] or (name == "pystemd" and facts.booted)


def tools(facts: Facts) -> Finding:
    """ldd gathers the root a pod boots; the others only this command needs."""
    missing = [program for program in facts.programs if program in _TOOLS]
    if not missing:
        return Finding(check="programs", level=Level.OK, found="all there")
    packages = [_TOOLS[name] for name in missing]
    return Finding(
        check="programs",
        level=Level.MISSING if "ldd" in missing else Level.WARN,
        found=f"missing: {', '.join(missing)}",
        advice=install(*(" ".join(package[system] for package in packages) for system in range(4))),
    )


def skopeo(facts: Facts) -> Finding:
    """What fetches images."""
    found = facts.skopeo and re.search(r"version (\S+)", facts.skopeo)
    if not found:
        return Finding(
            check="skopeo",
            level=Level.WARN,
            found="not there; pods do not need it, but `pod image pull` does for registries",
            advice=install("skopeo", "skopeo", "skopeo", "skopeo"),
        )
    if version(found[1]) < SKOPEO_FLOOR:
        return Finding(
            check="skopeo",
            level=Level.WARN,
            found=f"{found[1]}, older than {SKOPEO_FLOOR[0]}.{SKOPEO_FLOOR[1]}: `pod image pull` may fail",
            advice=("update the system: Debian 12, Fedora 36 and later have it",),
        )
    if not facts.image_policy:
        packages = install(
            "golang-github-containers-common",
            "containers-common",
            "containers-common",
            "libcontainers-common",
        )
        text = f"{found[1]}, but without /etc/containers/policy.json it refuses every image"
        return Finding(check="skopeo", level=Level.WARN, found=text, advice=packages)
    return Finding(check="skopeo", level=Level.OK, found=found[1])


def features(facts: Facts) -> Iterator[Finding]:
    """A check for each feature that some option needs."""
    found = table.Versions(systemd=systemd_version(facts.nspawn or ""), missing=facts.programs)
    for name, since, is_there, without in table.FEATURES:
        if is_there(found):
            yield Finding(name, Level.OK, "there")
        else:
            yield Finding(name, Level.WARN, f"not there ({since})", (f"without it {without}",))
