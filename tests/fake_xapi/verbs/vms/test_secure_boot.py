"""Secure boot of guests, and features of CPUs that are hidden from them."""

from __future__ import annotations

import base64
import io
import tarfile
from typing import Any

import pytest

from fake_xapi.verbs.updates import guidance
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

ALL = ("PK.auth", "KEK.auth", "db.auth", "dbx.auth")


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


def packed(*names: str) -> str:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return base64.b64encode(written.getvalue()).decode()


@pytest.mark.parametrize(
    ("certificates", "custom", "readiness"),
    [
        ("", "", "ready"),
        (packed(*ALL), "", "ready"),
        (packed(*ALL[:3]), "", "ready_no_dbx"),
        (packed(*ALL[:2]), "", "not_ready"),
        ("nonsense", "", "not_ready"),
        (base64.b64encode(b"nonsense").decode(), "", "not_ready"),
        (packed(*ALL), packed(*ALL[:3]), "ready_no_dbx"),
    ],
)
def test_whether_new_guests_can_boot_securely(certificates: str, custom: str, readiness: str) -> None:
    async def body(host: Host) -> None:
        host.set(pool(host), uefi_certificates=certificates, custom_uefi_certificates=custom)
        assert await host.call("pool.get_guest_secureboot_readiness", pool(host)) == readiness
        vm = await host.vm(HVM_boot_params={"firmware": "uefi"}, platform={"secureboot": "true"})
        await host.call("VM.set_NVRAM_EFI_variables", vm, "AAAA", "unspecified")
        of_vm = "certs_incomplete" if readiness == "not_ready" else readiness
        assert await host.call("VM.get_secureboot_readiness", vm) == of_vm

    over_host(body)


@pytest.mark.parametrize(
    ("firmware", "secureboot", "readiness"),
    [("bios", "true", "not_supported"), ("uefi", "false", "disabled"), ("uefi", "auto", "first_boot")],
)
def test_how_far_a_guest_is(firmware: str, secureboot: str, readiness: str) -> None:
    async def body(host: Host) -> Any:
        vm = await host.vm(HVM_boot_params={"firmware": firmware}, platform={"secureboot": secureboot})
        return await host.call("VM.get_secureboot_readiness", vm)

    assert over_host(body) == readiness


def test_a_guest_s_firmware_in_setup_mode() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm(HVM_boot_params={"firmware": "uefi"}, platform={"secureboot": "true"})
        await host.call("VM.set_NVRAM_EFI_variables", vm, "AAAA", "yes")
        assert await host.call("VM.set_uefi_mode", vm, "setup") == "Set setup mode\n"
        assert await host.call("VM.get_secureboot_readiness", vm) == "setup_mode"
        await host.call("VM.set_uefi_mode", vm, "user")
        assert await host.call("VM.get_secureboot_readiness", vm) == "ready"
        host.set(vm, power_state="Running")
        assert await host.refused("VM.set_uefi_mode", vm, "setup") == ["VM_BAD_POWER_STATE", vm, "halted", "running"]

    over_host(body)


def test_newer_certificates_wait_for_a_guest_s_boot() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        told = "There is no update of the secure boot certificates for this VM"
        assert await host.refused("VM.update_secureboot_certificates_on_boot", vm, True) == ["OPERATION_NOT_ALLOWED", told]
        await host.call("VM.set_NVRAM_EFI_variables", vm, "AAAA", "yes")
        states = [host.row(vm)["secureboot_certificates_state"]]
        for mark in (True, False):
            await host.call("VM.update_secureboot_certificates_on_boot", vm, mark)
            states.append(host.row(vm)["secureboot_certificates_state"])
        await host.call("VM.set_NVRAM_EFI_variables", vm, "BBBB", "no")
        assert (states, host.row(vm)["secureboot_certificates_state"]) == (["update_available", "update_on_boot", "update_available"], "ok")
        assert host.row(vm)["NVRAM"] == {"EFI-variables": "BBBB"}

    over_host(body)


def test_a_new_device_model_is_what_some_updates_ask_for() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        assert await host.refused("VM.restart_device_models", vm) == ["VM_BAD_POWER_STATE", vm, "running", "halted"]
        await host.call("VM.start", vm, False, False)
        host.set(vm, pending_guidances=("restart_device_model",), pending_guidances_full=("restart_device_model", "restart_vm"))
        await host.call("VM.restart_device_models", vm)
        assert (host.row(vm)["pending_guidances"], host.row(vm)["pending_guidances_full"]) == ((), ("restart_vm",))

    over_host(body)


PHYSICAL = "17bee3ff-bfebfbff-00000001-2c100800"


def test_features_are_hidden_at_the_next_boot() -> None:
    async def body(host: Host) -> None:
        host.set(host.host, cpu_info={"features": PHYSICAL, "physical_features": PHYSICAL, "maskable": "full"})
        masked = PHYSICAL.replace("17", "13")
        await host.call("host.set_cpu_features", host.host, masked)
        info = host.row(host.host)["cpu_info"]
        assert (info["features"], info["features_after_reboot"]) == (PHYSICAL, masked)
        with host.world.edit() as edit:
            guidance.host_rebooted(edit, host.id(host.host))
        assert host.row(host.host)["cpu_info"]["features"] == masked
        await host.call("host.reset_cpu_features", host.host)
        assert host.row(host.host)["cpu_info"]["features_after_reboot"] == PHYSICAL

    over_host(body, "tampa")


@pytest.mark.parametrize(
    ("features", "maskable", "refusal"),
    [
        ("1", "full", ["INVALID_FEATURE_STRING", "1"]),
        ("x" * 32, "full", ["INVALID_FEATURE_STRING", "x" * 32]),
        (PHYSICAL, "no", ["CPU_FEATURE_MASKING_NOT_SUPPORTED", "The CPUs of this host cannot hide features"]),
        ("f" * 32, "full", ["CPU_FEATURE_MASKING_NOT_SUPPORTED", "The CPUs of this host do not have all these features"]),
    ],
)
def test_masks_that_are_refused(features: str, maskable: str, refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        host.set(host.host, cpu_info={"features": PHYSICAL, "physical_features": PHYSICAL, "maskable": maskable})
        assert await host.refused("host.set_cpu_features", host.host, features) == refusal
        host.set(pool(host), restrictions={"restrict_cpu_masking": "true"})
        for method, params in (("set_cpu_features", (features,)), ("reset_cpu_features", ())):
            assert await host.refused(f"host.{method}", host.host, *params) == ["LICENCE_RESTRICTION", "CPU_masking"]

    over_host(body, "boston")
