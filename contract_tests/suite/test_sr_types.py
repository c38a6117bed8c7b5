"""Drivers: which types there are, what they say that they can do, and what they make of a device_config that is not enough.

Nothing here needs storage of a kind: whatever is made lies in a folder of the host's own.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import refusal

TARGET: Final = os.environ.get("XAPI_ISCSI_TARGET", "10.255.0.20")
"""An address at which an iSCSI target without CHAP can be found; the tests that need one are skipped when there is none."""

_DISKS: Final = ("VDI_CREATE", "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH")
_CHAINS: Final = ("VDI_CLONE", "VDI_SNAPSHOT", "VDI_RESIZE")
FEATURES: Final = {
    "ext": ("SR_PROBE", "SR_UPDATE", "SR_SUPPORTS_LOCAL_CACHING", *_DISKS, *_CHAINS, "VDI_GENERATE_CONFIG", "VDI_RESET_ON_BOOT"),
    "file": ("SR_PROBE", *_DISKS, *_CHAINS, "VDI_GENERATE_CONFIG"),
    "nfs": ("SR_PROBE", "SR_UPDATE", "SR_CACHING", *_DISKS, *_CHAINS, "VDI_GENERATE_CONFIG", "VDI_RESET_ON_BOOT"),
    "smb": ("SR_PROBE", "SR_UPDATE", "SR_CACHING", *_DISKS, *_CHAINS, "VDI_GENERATE_CONFIG"),
    "lvm": ("SR_PROBE", "SR_UPDATE", *_DISKS, *_CHAINS, "VDI_RESET_ON_BOOT"),
    "lvmoiscsi": ("SR_PROBE", "SR_UPDATE", "SR_METADATA", *_DISKS, *_CHAINS, "VDI_GENERATE_CONFIG", "VDI_RESET_ON_BOOT"),
    "lvmohba": ("SR_PROBE", "SR_UPDATE", "SR_METADATA", *_DISKS, *_CHAINS, "VDI_GENERATE_CONFIG", "VDI_RESET_ON_BOOT"),
    "iso": _DISKS,
    "udev": ("SR_UPDATE", "VDI_INTRODUCE", "VDI_ATTACH", "VDI_DETACH", "VDI_UPDATE"),
    "iscsi": (*_DISKS, "VDI_INTRODUCE"),
    "hba": (*_DISKS, "VDI_INTRODUCE"),
}
"""What the drivers of every release say."""

MISSING: Final[tuple[tuple[str, dict[str, str], int], ...]] = (
    ("ext", {}, 90),
    ("lvm", {}, 90),
    ("lvm", {"device": "sdb"}, 91),
    ("file", {}, 94),
    ("nfs", {}, 102),
    ("smb", {}, 102),
    ("iso", {}, 220),
    ("udev", {}, 94),
    ("lvmoiscsi", {}, 95),
    ("lvmoiscsi", {"target": "127.0.0.1", "port": "none"}, 142),
    ("lvmoiscsi", {"target": "nowhere.invalid"}, 140),
    ("iscsi", {}, 95),
    ("lvmohba", {}, 107),
    ("netapp", {}, 120),
    ("equal", {}, 160),
)
"""Type, device_config, and the number of the driver's error."""

UNPROBED: Final = frozenset({"iso", "udev"})
"""Types whose drivers do not probe."""

ASKED: Final = [(method, *row) for row in MISSING for method in ("create", "probe") if method == "create" or row[0] not in UNPROBED]


def drivers(xapi: Any) -> dict[str, dict[str, Any]]:
    """The rows of SM by type."""
    return {row["type"]: row for row in xapi.SM.get_all_records().values()}


@pytest.mark.rule("SM types")
def test_the_types_are_those_that_have_drivers(xapi: Any) -> None:
    """SR.get_supported_types lists them."""
    assert set(xapi.SR.get_supported_types()) == set(drivers(xapi))


@pytest.mark.rule("SM features")
@pytest.mark.parametrize("sr_type", FEATURES)
def test_a_driver_says_what_it_can_do(xapi: Any, sr_type: str) -> None:
    """SM.capabilities holds the features of the type."""
    row = drivers(xapi).get(sr_type)
    if row is None:
        pytest.skip(f"this release has no driver for {sr_type}")
    said = {feature.partition("/")[0] for feature in row["capabilities"]}
    assert set(FEATURES[sr_type]) - said == set()


@pytest.mark.rule("SM features of no driver")
def test_no_driver_resizes_disks_in_use(xapi: Any) -> None:
    """VDI_RESIZE_ONLINE is nobody's."""
    assert [name for name, row in drivers(xapi).items() if "VDI_RESIZE_ONLINE" in row["capabilities"]] == []


@pytest.mark.rule("SM features of 2012")
@pytest.mark.requires("VDI.enable_cbt")
def test_chains_of_vhds_track_changes(xapi: Any) -> None:
    """VDI_CONFIG_CBT is a feature of the drivers that chain VHDs, and of no release before it."""
    known = drivers(xapi)
    assert {name for name in ("ext", "lvm", "nfs") if "VDI_CONFIG_CBT" in known[name]["capabilities"]} == {"ext", "lvm", "nfs"}
    assert "VDI_CONFIG_CBT" not in known["iso"]["capabilities"]


@pytest.mark.rule("SM features")
@pytest.mark.requires("SM.get_features")
def test_features_have_versions(xapi: Any) -> None:
    """SM.features maps the same names to numbers."""
    for row in drivers(xapi).values():
        assert {name.partition("/")[0] for name in row["capabilities"]} == set(row["features"])
        assert all(int(version) >= 1 for version in row["features"].values())


@pytest.mark.rule("SM features of 2012")
def test_no_old_release_tracks_changes(xapi: Any, server: Server) -> None:
    """What came after 2012 is in no driver of then."""
    if server.era == "modern":
        pytest.skip("this release is younger")
    said = {feature for row in drivers(xapi).values() for feature in row["capabilities"]}
    assert {"VDI_CONFIG_CBT", "THIN_PROVISIONING"} & said == set()


@pytest.mark.rule("SR.create SR_BACKEND_FAILURE", "SR.probe")
@pytest.mark.parametrize(("method", "sr_type", "config", "number"), ASKED)
def test_a_driver_says_what_it_misses(
    xapi: Any, made: Made, host: str, method: str, sr_type: str, config: dict[str, str], number: int
) -> None:
    """SR_BACKEND_FAILURE_<n> ["", text, document], and nothing is left of the SR."""
    row = drivers(xapi).get(sr_type)
    if row is None or (method == "probe" and "SR_PROBE" not in row["capabilities"]):
        pytest.skip(f"this release does not {method} {sr_type}")
    name = made.name()
    if method == "probe":
        details = refusal(xapi.SR.probe, host, config, sr_type, {})
    else:
        details = refusal(xapi.SR.create, host, config, "0", name, "", sr_type, "user", False, {})
    assert (details[0], details[1], len(details)) == (f"SR_BACKEND_FAILURE_{number}", "", 4)
    assert details[2] != ""
    assert xapi.SR.get_by_name_label(name) == []


@pytest.mark.rule("SR.create SR_UNKNOWN_DRIVER")
@pytest.mark.parametrize("method", ["create", "probe", "introduce"])
def test_a_type_that_nobody_drives_is_named(xapi: Any, made: Made, host: str, method: str) -> None:
    """SR_UNKNOWN_DRIVER [type]."""
    calls: dict[str, tuple[object, ...]] = {
        "create": (host, {}, "0", made.name(), "", "frobfs", "user", False, {}),
        "probe": (host, {}, "frobfs", {}),
        "introduce": ("6d5f2c9e-0000-4000-8000-00000000f00b", made.name(), "", "frobfs", "user", False, {}),
    }
    assert refusal(getattr(xapi.SR, method), *calls[method]) == ["SR_UNKNOWN_DRIVER", "frobfs"]


@pytest.mark.rule("SR.create SR_BACKEND_FAILURE")
def test_a_device_that_is_not_there_makes_no_sr(xapi: Any, made: Made, host: str) -> None:
    """The driver of LVM looks for its device: SR_BACKEND_FAILURE_19."""
    config = {"device": f"/dev/{made.name()}"}
    assert refusal(xapi.SR.create, host, config, "0", made.name(), "", "lvm", "user", False, {})[0] == "SR_BACKEND_FAILURE_19"


# ---- what iSCSI targets tell -----------------------------------------------------------------------------------------------------


def asked(xapi: Any, host: str, config: dict[str, str]) -> tuple[str, str]:
    """The code of the refusal, and the document in its third parameter; skipped where there is no target."""
    details = refusal(xapi.SR.probe, host, {"target": TARGET, **config}, "lvmoiscsi", {})
    if details[0] in {"SR_BACKEND_FAILURE_140", "SR_BACKEND_FAILURE_141", "SR_BACKEND_FAILURE_68"}:
        pytest.skip(f"there is no open iSCSI target at {TARGET}; name one with XAPI_ISCSI_TARGET")
    return details[0], details[3]


def texts(document: str, tag: str) -> list[str]:
    """The texts of a tag, wherever it stands; old drivers put them on a line of their own."""
    return re.findall(rf"<{tag}>\s*([^<]*?)\s*</{tag}>", document)


@pytest.fixture
def iqn(xapi: Any, host: str) -> str:
    """The first target behind the portal."""
    _, document = asked(xapi, host, {})
    return texts(document, "TargetIQN")[0]


@pytest.mark.rule("SR.probe of iSCSI")
def test_who_names_no_target_is_shown_all(xapi: Any, host: str) -> None:
    """SR_BACKEND_FAILURE_96 with the list of IQNs."""
    code, document = asked(xapi, host, {})
    assert (code, "<iscsi-target-iqns>" in document) == ("SR_BACKEND_FAILURE_96", True)
    assert texts(document, "Index")[0] == "0"
    assert texts(document, "TargetIQN")[0].startswith("iqn.")


@pytest.mark.rule("SR.probe of iSCSI")
def test_who_names_no_lun_is_shown_all(xapi: Any, host: str, iqn: str) -> None:
    """SR_BACKEND_FAILURE_107 with the list of LUNs."""
    code, document = asked(xapi, host, {"targetIQN": iqn})
    assert (code, "<iscsi-target>" in document) == ("SR_BACKEND_FAILURE_107", True)
    counts = {tag: len(texts(document, tag)) for tag in ("vendor", "serial", "LUNid", "size", "SCSIid")}
    assert set(counts.values()) == {document.count("<LUN>")}
    assert all(int(size) > 0 for size in texts(document, "size"))


@pytest.mark.rule("SR.probe")
def test_a_lun_is_probed(xapi: Any, host: str, iqn: str) -> None:
    """The SRs on a LUN, as a document: none or one."""
    _, document = asked(xapi, host, {"targetIQN": iqn})
    config = {"target": TARGET, "targetIQN": iqn, "SCSIid": texts(document, "SCSIid")[0]}
    found = xapi.SR.probe(host, config, "lvmoiscsi", {})
    assert "<SRlist" in found
    assert len(texts(found, "UUID")) <= 1
