"""PURE. Properties of units: text in, what D-Bus carries out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.plan.hostunit import properties
from stage0.request import AppRequest, PodRequest
from stage1.contract import UsageError
from stage1.contract.unitproperties import INFINITY, NAMES, OURS, Property, of_services, parse, restarts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("MemoryMax=1G", [Property("MemoryMax", "t", 1 << 30)]),
        ("MemoryMax=1.5K", [Property("MemoryMax", "t", 1536)]),
        ("MemoryMax=infinity", [Property("MemoryMax", "t", INFINITY)]),
        ("MemoryHigh=50%", [Property("MemoryHighScale", "u", (2**32 - 1) // 2)]),
        ("TasksMax=100", [Property("TasksMax", "t", 100)]),
        ("CPUQuota=150%", [Property("CPUQuotaPerSecUSec", "t", 1_500_000)]),
        ("CPUQuota=", [Property("CPUQuotaPerSecUSec", "t", INFINITY)]),
        ("AllowedCPUs=0-2 9", [Property("AllowedCPUs", "ay", b"\x07\x02")]),
        ("RestartSec=1min 30s", [Property("RestartUSec", "t", 90_000_000)]),
        ("WatchdogSec=1.5s", [Property("WatchdogUSec", "t", 1_500_000)]),
        ("TimeoutStopSec=infinity", [Property("TimeoutStopUSec", "t", INFINITY)]),
        ("Environment=A=b c", [Property("Environment", "as", [b"A=b c"])]),
        ("After=a.service b.service", [Property("After", "as", [b"a.service", b"b.service"])]),
        ("Nice=-5", [Property("Nice", "i", -5)]),
        ("Restart=always", [Property("Restart", "s", "always")]),
        ("CPUAccounting=yes", [Property("CPUAccounting", "b", True)]),
        ("LimitNOFILE=1024:4096", [Property("LimitNOFILE", "t", 4096), Property("LimitNOFILESoft", "t", 1024)]),
        ("IOReadBandwidthMax=/dev/sda 10M", [Property("IOReadBandwidthMax", "a(st)", [(b"/dev/sda", 10 << 20)])]),
        ("LoadCredential=a:/b", [Property("LoadCredential", "a(ss)", [(b"a", b"/b")])]),
    ],
)  # fmt: skip
def test_a_property_is_what_the_bus_carries(text: str, found: list[Property]) -> None:
    assert list(parse(text)) == found


@pytest.mark.parametrize(
    "text",
    [
        "nope", "=1", "Foo=1", "MemoryMax=", "MemoryMax=x", "MemoryMax=-1", "CPUQuota=0%", "CPUQuota=1",
        "RestartSec=soon", "RestartSec=3 lightyears", "RestartSec=", "Nice=20", "CPUWeight=0", "CPUAccounting=maybe",
        "Environment=1=x", "AllowedCPUs=a", "IOReadIOPSMax=sda 1", "LoadCredential=a", "Description=a\nb",
        "Type=simple", "Slice=a.slice", "ExecStart=/bin/sh", "MemoryMax=101%", "After=",
    ],
)  # fmt: skip
def test_what_a_pods_unit_cannot_have_is_said_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert "--property" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


@given(st.sampled_from((*NAMES, *OURS)), st.text(max_size=30))
def test_any_value_is_a_property_or_refused(name: str, value: str) -> None:
    try:
        found = parse(f"{name}={value}")
    except UsageError:
        return
    for one in found:
        if one.signature == "t":
            assert isinstance(one.value, int)
            assert 0 <= one.value < 2**64
        if one.signature == "u":
            assert isinstance(one.value, int)
            assert 0 <= one.value < 2**32


def test_restarts_are_known_and_need_a_pod_that_stays() -> None:
    assert restarts(("MemoryMax=1G", "Restart=on-failure"))
    assert not restarts(("Restart=no", "RestartSec=1s"))
    assert of_services(("MemoryMax=1G", "Restart=always", "Nice=1")) == ("Restart", "Nice")
    with pytest.raises(UsageError, match="--rm"):
        properties(PodRequest(app=(AppRequest(image="x"),), rm=True, property=("Restart=always",)))
