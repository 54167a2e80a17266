"""PURE. Extended attributes that are the host's, not an image's: beginnings of their names."""

from __future__ import annotations

# overlayfs would act on them.
OVERLAY = ("trusted.overlay.", "user.overlay.")
# The host's own policy gives them. With SELinux every file has one, and what it is depends on where it was made.
POLICY = ("security.selinux", "security.evm", "security.ima")
OF_THE_HOST = (*OVERLAY, *POLICY)
