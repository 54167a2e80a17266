"""PURE. From an app of the manifest to the typed values its unit templates take: a room for each kind of wish."""

from stage1.units.app import AppUnit, PodUnits, app_unit, pod_units
from stage1.units.command import command, program_path
from stage1.units.credentials import credential_id
from stage1.units.identity import MISSING_ID
from stage1.units.names import await_name, service_name, socket_unit_name
from stage1.units.order import Await, awaits, is_activated
from stage1.units.sockets import SocketUnit, socket_unit

__all__ = [
    "MISSING_ID",
    "AppUnit",
    "Await",
    "PodUnits",
    "SocketUnit",
    "app_unit",
    "await_name",
    "awaits",
    "command",
    "credential_id",
    "is_activated",
    "pod_units",
    "program_path",
    "service_name",
    "socket_unit",
    "socket_unit_name",
]
