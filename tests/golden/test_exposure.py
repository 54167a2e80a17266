"""EFFECT. What `systemd-analyze security` thinks of an app that asks for nothing: the figure stays under a bound.

0 is best and 10 worst. It judges settings of units, so it is no proof of anything; but nobody makes it worse unseen.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from stage1 import plan
from stage1.contract import App, User
from stage1.render import render
from stage1.resources import template_path
from tests import samples
from tests.conftest import needs_program

USER = User(name="web", uid=101, gid=102)
ROOT_BOUND, USER_BOUND = 5.0, 4.4


def exposure(unit: Path) -> float:
    """The overall figure."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout[-500:]
    return float(found[1])


def unit_of(app: App, directory: Path) -> Path:
    """The unit of an app, as it would be in a pod."""
    jobs = plan.jobs(samples.pod(app), samples.FACTS, keep_unit=False)
    path = directory / "app-web.service"
    path.write_text(render(jobs, template_path()[-1:], None)["app-web.service"])
    return path


@pytest.mark.parametrize(("user", "bound"), [(samples.ROOT, ROOT_BOUND), (USER, USER_BOUND)])
def test_the_exposure_of_a_default_unit_stays_under_its_bound(
    user: User, bound: float, tmp_path: Path
) -> None:
    needs_program("systemd-analyze")
    plain = samples.app()
    confinement = plain.confinement._replace(no_new_privileges=user.uid != 0)
    assert exposure(unit_of(plain._replace(user=user, confinement=confinement), tmp_path)) <= bound


def test_it_is_better_than_what_podman_writes(tmp_path: Path) -> None:
    needs_program("systemd-analyze")
    written = Path(__file__).parents[1] / "bench" / "quadlet.service"
    assert exposure(unit_of(samples.app(), tmp_path)) < exposure(written)
