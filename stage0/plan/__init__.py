"""PURE. From what the user asked for to what the pod is: a room for each kind of wish, put together in `pod`."""

from stage0.plan.names import NAME, POD_NAME
from stage0.plan.pod import CAPABILITIES, Circumstances, plan_pod
from stage0.plan.process import DEFAULT_PATH, environment

__all__ = [
    "CAPABILITIES",
    "DEFAULT_PATH",
    "NAME",
    "POD_NAME",
    "Circumstances",
    "environment",
    "plan_pod",
]
