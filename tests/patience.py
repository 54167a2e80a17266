"""PURE. How slow the machine is on which the tests run: an emulated one says so, and every limit on a wait grows."""

from __future__ import annotations

import os

SLOWNESS = float(os.environ.get("POD_TEST_SLOWNESS", "1"))
