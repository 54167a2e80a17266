"""PURE. From what the user asked for to what the pod is: a room for each kind of wish, put together in `pod`."""

from stage0.plan.capabilities import DEFAULT as CAPABILITIES
from stage0.plan.confinement import Host
from stage0.plan.pod import Circumstances, plan_pod
from stage0.plan.process import DEFAULT_PATH, environment

__all__ = [
    "CAPABILITIES",
    "DEFAULT_PATH",
    "Circumstances",
    "Host",
    "environment",
    "plan_pod",
]
