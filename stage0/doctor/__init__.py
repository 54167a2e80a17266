"""PURE. What a host's facts mean for pods: for each thing good, lacking a little, or missing, and what to do."""

from __future__ import annotations

from stage0.doctor import kernel, programs, storage, system
from stage0.doctor.facts import Cgroups, Facts
from stage0.doctor.finding import Finding, Level, systemd_version, version
from stage0.doctor.programs import MODULES, PROGRAMS

__all__ = [
    "MODULES",
    "PROGRAMS",
    "Cgroups",
    "Facts",
    "Finding",
    "Level",
    "as_text",
    "has_all",
    "judge",
    "systemd_version",
    "version",
]


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Every check, those that pods cannot do without first."""
    return (
        kernel.kernel(facts),
        system.nspawn(facts),
        kernel.seccomp(facts),
        kernel.cgroups(facts),
        storage.data_root(facts),
        storage.overlay(facts),
        storage.space(facts),
        programs.native(facts),
        programs.python(facts),
        programs.tools(facts),
        system.booted(facts),
        system.machined(facts),
        system.bus(facts),
        kernel.user_namespaces(facts),
        kernel.ranges(facts),
        kernel.inotify(facts),
        kernel.labels(facts),
        programs.skopeo(facts),
        *programs.features(facts),
    )


def has_all(findings: tuple[Finding, ...]) -> bool:
    """True if pods can run here."""
    return all(finding.level is not Level.MISSING for finding in findings)


def as_text(findings: tuple[Finding, ...]) -> str:
    """A line for each check, and below it what to do."""
    width = max(len(finding.check) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.level.value:<7}  {finding.check:<{width}}  {finding.found}")
        lines += [f"{'':<{width + 11}}{line}" for line in finding.advice]
    return "\n".join([*lines, "", _summary(findings)]) + "\n"


def _summary(findings: tuple[Finding, ...]) -> str:
    missing = [finding.check for finding in findings if finding.level is Level.MISSING]
    return f"Pods cannot run here: {', '.join(missing)}." if missing else "Pods can run here."
