"""PURE. The list of devices of a pod's control group."""

from __future__ import annotations

from stage1 import devices
from stage1.contract import App, Credential, CredentialKind, Device, NetworkMode
from tests.samples import app, pod
from tests.unit.test_nspawn import argv


def using(name: str, *found: Device, privileged: bool = False) -> App:
    plain = app(name)
    return plain._replace(confinement=plain.confinement._replace(devices=found, privileged=privileged))


FUSE, KVM = Device("/dev/fuse", "/dev/fuse", "r"), Device("/dev/kvm", "/dev/kvm", "rw")


def test_a_device_of_two_apps_has_the_rights_of_both() -> None:
    writer = Device("/dev/fuse", "/dev/other", "w")
    assert devices.allowed(pod(using("a", FUSE), using("b", writer, KVM))) == {
        "/dev/fuse": "rwm",
        "/dev/kvm": "rwm",
    }


def test_what_was_not_given_is_not_allowed() -> None:
    assert devices.allowed(pod(using("a", FUSE))) == {"/dev/fuse": "rm"}
    assert devices.allowed(pod()) == {}


def test_a_unit_is_closed_but_for_what_was_given() -> None:
    assert devices.bus_properties(pod()) == {b"DevicePolicy": b"closed"}
    found = devices.bus_properties(pod(using("a", FUSE)))
    assert found == {b"DevicePolicy": b"closed", b"DeviceAllow": [(b"/dev/fuse", b"rm")]}


def test_systemd_nspawn_may_make_the_node_that_comes_with_a_network_and_nobody_may_open_it() -> None:
    for mode in (NetworkMode.NONE, NetworkMode.PRIVATE):
        found = devices.bus_properties(pod()._replace(network=mode))
        assert found[b"DeviceAllow"] == [(b"/dev/net/tun", b"m")]
    vpn = using("a", Device("/dev/net/tun", "/dev/net/tun", "rw"))
    found = devices.bus_properties(pod(vpn)._replace(network=NetworkMode.PRIVATE))
    assert found[b"DeviceAllow"] == [(b"/dev/net/tun", b"rwm")]


def test_who_decrypts_a_secret_may_need_the_hosts_tpm() -> None:
    secret = Credential(name="key", kind=CredentialKind.ENCRYPTED, source="/key")
    found = devices.bus_properties(pod(app(credentials=(secret,))))
    assert found[b"DeviceAllow"] == [(b"char-tpm", b"rw")]


def test_the_scope_of_systemd_nspawn_is_closed_already() -> None:
    found = argv(pod(using("a", FUSE)), register=True, keep=False)
    assert [word for word in found if "Device" in word] == ["--property=DeviceAllow=/dev/fuse rm"]
    assert not [word for word in argv(pod(using("a", FUSE)), register=True) if "Device" in word]


def test_a_privileged_app_opens_all() -> None:
    whole = pod(using("a", FUSE), using("b", privileged=True))
    assert devices.bus_properties(whole) == {}
    words = argv(whole, register=True, keep=False)
    assert [word for word in words if "Device" in word] == [
        "--property=DevicePolicy=auto",
        "--property=DeviceAllow=",
    ]
