"""EFFECT. How long a host takes to boot with many pods: `python -m tests.bench.boot [PODS] [LANES …]`.

A lab host (tests/lab) with that many enabled `pod@` units is booted; with lanes, drop-ins order the units into so
many queues, which is what a limit of starts at once would come to. 0 lanes: systemd starts all of them at once. The
bound of inotify(7) instances is raised for the time of the measurement: it is the whole machine's.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.lab.host import LabHost
from tests.lab.pods import pods_of

MANIFEST = '[[app]]\nimage = "inspect"\nargs = ["trap", "TERM", "0", "print", "up", "pause"]\n'
INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 1024


@contextlib.contextmanager
def many_instances() -> Iterator[None]:
    """As with the snippet that `make install` ships."""
    before = INSTANCES.read_text()
    INSTANCES.write_text(str(max(ENOUGH, int(before))))
    try:
        yield
    finally:
        INSTANCES.write_text(before)


def ordered(lab: LabHost, names: list[str], lanes: int) -> None:
    """Each unit after the one that many places before it."""
    lab.run(["sh", "-c", "rm -rf /etc/systemd/system/pod@*.service.d"])
    for place, name in enumerate(names if lanes else ()):
        if place >= lanes:
            before = names[place - lanes]
            lab.write(
                f"/etc/systemd/system/pod@{name}.service.d/lane.conf",
                f"[Unit]\nAfter=pod@{before}.service\n",
            )


def moments(lab: LabHost, names: list[str]) -> list[tuple[float, float]]:
    """When each unit began to start and when it was ready, in seconds since PID 1's start."""
    keys = "InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic"
    units = [f"pod@{name}.service" for name in names]
    begin = int(lab.run(["systemctl", "show", "-P", "UserspaceTimestampMonotonic"]).stdout)
    shown = lab.run(["systemctl", "show", "-p", keys, *units]).stdout.strip().split("\n\n")
    rows = [dict(line.split("=") for line in block.splitlines()) for block in shown]
    first, last = keys.split(",")
    return [((int(row[first]) - begin) / 1e6, (int(row[last]) - begin) / 1e6) for row in rows]


def measure(lab: LabHost, names: list[str], lanes: int) -> str:
    """One boot, as a row of the table."""
    ordered(lab, names, lanes)
    lab.reboot()
    units = [f"pod@{name}.service" for name in names]
    active = lab.run(["systemctl", "is-active", *units], check=False).stdout.split().count("active")
    restarts = sum(map(int, lab.run(["systemctl", "show", "-P", "NRestarts", *units]).stdout.split()))
    load = Path("/proc/loadavg").read_text().split()[0]
    spans = moments(lab, names)
    took = sorted(ready - begun for begun, ready in spans)
    ready = sorted(moment for _, moment in spans)
    half = len(ready) // 2
    return (
        f"{lanes or 'all':>5} {ready[-1]:8.1f} {ready[half]:8.1f} {took[half]:8.2f} {took[-1]:8.2f}"
        f" {active:4}/{len(names)} {restarts:8} {load:>6}"
    )


def main() -> None:
    """Print a table, a boot a line."""
    count, *lanes = [int(word) for word in sys.argv[1:]] or [50, 0]
    names = [f"w{number:03}" for number in range(count)]
    with many_instances(), LabHost() as lab, pods_of(lab):
        lab.run(["make", "--assume-old=venv", "--assume-old=native", "install"])
        for name in names:
            lab.write(f"/etc/pod/pods/{name}.toml", MANIFEST)
        lab.run(["systemctl", "daemon-reload"])
        lab.run(["systemctl", "enable", *(f"pod@{name}.service" for name in names)])
        print("lanes   all[s]  half[s]  median  longest  active  restarts  load")
        for number in lanes or [0]:
            print(measure(lab, names, number), flush=True)


if __name__ == "__main__":
    main()
