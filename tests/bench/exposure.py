"""EFFECT. `python -m tests.bench.exposure`: what `systemd-analyze security` says of our units and of a podman Quadlet.

The Quadlet unit is made by podman's own generator where it is installed, from the least container file there can be.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests import samples
from tests.golden.test_exposure import USER, exposure, unit_of

GENERATORS = (
    "/usr/lib/systemd/system-generators/podman-system-generator",
    "/usr/libexec/podman/quadlet",
)
CONTAINER = "[Container]\nImage=docker.io/library/busybox:latest\n"
# What the generator of podman 5.4.2 writes, for machines that have none.
WRITTEN = Path(__file__).with_name("quadlet.service")


def quadlet(directory: Path) -> tuple[Path, str]:
    """The unit of the plainest container, and who wrote it."""
    (directory / "web.container").write_text(CONTAINER)
    for generator in filter(lambda path: Path(path).exists(), GENERATORS):
        environment = {"QUADLET_UNIT_DIRS": str(directory), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [generator, "--dryrun"], env=environment, capture_output=True, text=True, check=False
        )
        if "---web.service---" in done.stdout:
            text = done.stdout.split("---web.service---", 1)[1].partition("\n---")[0]
            (directory / "web.service").write_text(text)
            return directory / "web.service", "Quadlet"
    (directory / "web.service").write_text(WRITTEN.read_text())
    return directory / "web.service", "Quadlet of podman 5.4.2, kept; no generator is installed here"


def main() -> int:
    """Print three figures."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        plain = samples.app()
        user = plain._replace(user=USER, confinement=plain.confinement._replace(no_new_privileges=True))
        unit, author = quadlet(directory)
        sys.stdout.write(f"exposure of a unit, 0 is best ({author})\n")
        sys.stdout.write(f"  pod, root     {exposure(unit_of(plain, directory)):.1f}\n")
        sys.stdout.write(f"  pod, a user   {exposure(unit_of(user, directory)):.1f}\n")
        sys.stdout.write(f"  podman        {exposure(unit):.1f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
