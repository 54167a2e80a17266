"""PURE. Checks of systemd: systemd-nspawn, PID 1 of the host, machined."""

from __future__ import annotations

from stage0.doctor.facts import Facts
from stage0.doctor.finding import Finding, Level, install, systemd_version

SYSTEMD_FLOOR = 252


def nspawn(facts: Facts) -> Finding:
    """What starts a pod."""
    packages = install("systemd-container", "systemd-container", "systemd", "systemd-container")
    if facts.nspawn is None:
        return Finding(
            check="systemd-nspawn", level=Level.MISSING, found="is not installed", advice=packages
        )
    found = facts.nspawn.partition("\n")[0].removeprefix("systemd ")
    if systemd_version(facts.nspawn) >= SYSTEMD_FLOOR:
        return Finding(check="systemd-nspawn", level=Level.OK, found=found)
    return Finding(
        check="systemd-nspawn",
        level=Level.MISSING,
        found=f"{found}, older than {SYSTEMD_FLOOR}",
        advice=("update the system: Debian 12, Fedora 37 and later have it", *packages),
    )


def booted(facts: Facts) -> Finding:
    """Without it pods are processes like others."""
    if facts.booted:
        return Finding(check="systemd as PID 1", level=Level.OK, found="yes")
    return Finding(
        check="systemd as PID 1",
        level=Level.WARN,
        found="no: pods run, but not in units of their own (systemctl), nor known to machinectl",
    )


def machined(facts: Facts) -> Finding:
    """Who lists pods as machines."""
    if facts.machined:
        return Finding(
            check="systemd-machined", level=Level.OK, found="there, pods are listed by machinectl"
        )
    return Finding(
        check="systemd-machined",
        level=Level.WARN,
        found="not there, machinectl does not know pods" if facts.booted else "needs systemd as PID 1",
        advice=install("systemd-container", "systemd-container", "systemd", "systemd-container")
        if facts.booted
        else (),
    )


def bus(facts: Facts) -> Finding:
    """By way of the bus pods get units of their own: `pod run -d`, --slice, --property."""
    if not facts.booted:
        return Finding(check="D-Bus", level=Level.OK, found="not needed where systemd is not PID 1")
    if facts.bus:
        return Finding(check="D-Bus", level=Level.OK, found="there, pods get units of their own")
    return Finding(
        check="D-Bus",
        level=Level.MISSING,
        found="the system bus is not there: no pod can be run detached",
        advice=install("dbus", "dbus-broker", "dbus", "dbus-broker"),
    )
