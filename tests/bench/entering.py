"""EFFECT. The row about commands in what runs already: `pod exec` against `podman exec`, and the C program alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.bench.measure import run, timed
from tests.bench.pod import APP, SLEEP, Pod
from tests.bench.podman import APP as PODMAN_APP
from tests.bench.podman import Podman
from tests.lab.machine import REPO

NAME = "entered"
COMMAND = ("/inspect", "exit", "0")
HELPER = REPO / "stage1" / "native" / "bin" / "keeper"


def exec_in_pod(pod: Pod) -> float:
    """Run a command that does nothing in the running pod."""
    return timed(pod.argv("exec", NAME, *COMMAND))


def exec_in_podman(podman: Podman) -> float:
    """Run it in the running container."""
    return timed(podman.argv("exec", NAME, *COMMAND), env=podman.environment)


def helper_alone(pod: Pod) -> float:
    """Run it without the Python before it."""
    (directory,) = (pod.data / "pods" / "run").iterdir()
    return timed([HELPER, directory, APP, *COMMAND])


@contextmanager
def running(pod: Pod, podman: Podman, *, with_podman: bool) -> Iterator[dict[str, partial[float]]]:
    """Contestants with something to enter; the first exec of a confinement is not what is measured."""
    run(pod.argv("run", "-d", "--name", NAME, APP, "--", *SLEEP))
    run(pod.argv("exec", NAME, *COMMAND))
    contestants = {"pod": partial(exec_in_pod, pod), "helper": partial(helper_alone, pod)}
    if with_podman:
        podman.run(
            "run",
            "-d",
            f"--name={NAME}",
            "--network=none",
            f"--cgroup-parent={podman.group}",
            PODMAN_APP,
            *SLEEP,
        )
        contestants["podman"] = partial(exec_in_podman, podman)
    try:
        yield contestants
    finally:
        run(pod.argv("rm", "-f", NAME))
        if with_podman:
            podman.run("rm", "--force", "--time=0", NAME)
