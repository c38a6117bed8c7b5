"""pool_update: images, what they say of themselves, and what they do to hosts."""

from __future__ import annotations

from typing import Any

import pytest

from fake_xapi.verbs.updates import guidance
from tests.fake_xapi.verbs.kit.hosts import NULL, Host, add_host, over_host
from tests.fake_xapi.verbs.kit.updates import OTHER, PATCH, image, introduced, on_disk, update_xml

TOO_MUCH = 3 << 30
UUID = f'uuid="{PATCH}"'


def test_an_update_is_what_its_image_says() -> None:
    async def body(host: Host) -> None:
        content = image({"readme.txt": b"hello", "update.xml": update_xml(guidance="restartHost,restartXAPI", key="RPM-GPG-KEY-X")})
        update = await introduced(host, content)
        record = (await host.call("pool_update.get_record", update)).value()
        vdi = host.world.ref(host.row(update)["vdi"])
        assert record == {
            "uuid": PATCH,
            "name_label": "XS70E001",
            "name_description": "a fix",
            "version": "1.0",
            "installation_size": 4096,
            "key": "RPM-GPG-KEY-X",
            "after_apply_guidance": ["restartHost", "restartXAPI"],
            "vdi": vdi,
            "hosts": [],
            "other_config": {},
            "enforce_homogeneity": True,
        }
        (shadow,) = await host.call("pool_patch.get_all")
        patch = (await host.call("pool_patch.get_record", shadow)).value()
        assert (patch["uuid"], patch["pool_update"], patch["size"]) == (f"{PATCH[:8]}-0000-0000-{PATCH[19:]}", update, 4096)
        assert await host.call("pool_update.introduce", vdi) == update

    over_host(body)


def test_an_update_takes_effect_on_the_hosts_that_it_is_applied_to() -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        update = await introduced(host, image({"update.xml": update_xml()}))
        (patch,) = await host.call("pool_patch.get_all")
        assert await host.call("pool_update.precheck", update, host.host) == "ok"
        await host.call("pool_update.apply", update, host.host)
        assert await host.call("host.get_updates", host.host) == [update]
        assert await host.call("host.get_updates_requiring_reboot", host.host) == [update]
        assert await host.call("pool_update.get_hosts", update) == [host.host]
        assert await host.call("pool_patch.get_pool_applied", patch) is False
        assert await host.refused("pool_update.apply", update, host.host) == ["UPDATE_ALREADY_APPLIED", update]
        assert await host.refused("pool_update.precheck", update, host.host) == ["UPDATE_ALREADY_APPLIED", update]
        assert await host.refused("pool_update.destroy", update) == ["UPDATE_IS_APPLIED"]
        await host.call("pool_update.pool_apply", update)
        assert set(await host.call("pool_update.get_hosts", update)) == {host.host, other}
        assert await host.call("pool_patch.get_pool_applied", patch) is True
        assert await host.refused("pool_update.pool_apply", update) == ["UPDATE_ALREADY_APPLIED_IN_POOL", update]
        with host.world.edit() as edit:
            guidance.host_rebooted(edit, host.id(host.host))
        assert await host.call("host.get_updates_requiring_reboot", host.host) == []

    over_host(body)


def test_since_ely_a_patch_is_done_by_its_update() -> None:
    async def body(host: Host) -> None:
        update = await introduced(host, image({"update.xml": update_xml()}))
        (patch,) = await host.call("pool_patch.get_all")
        assert await host.call("pool_patch.precheck", patch, host.host) == ""
        assert await host.call("pool_patch.apply", patch, host.host) == ""
        assert await host.refused("pool_patch.apply", patch, host.host) == ["UPDATE_ALREADY_APPLIED", update]
        (host_patch,) = await host.call("host.get_patches", host.host)
        row = (await host.call("host_patch.get_record", host_patch)).value()
        assert (row["applied"], row["pool_patch"], row["host"]) == (True, patch, host.host)
        assert await host.refused("pool_patch.destroy", patch) == ["PATCH_IS_APPLIED"]
        await host.call("pool_patch.pool_clean", patch)
        assert await host.call("pool_update.get_vdi", update) == NULL

    over_host(body)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Please upload a valid package."),
        (b"\0" * 40_000, "Please upload a valid package."),
        (image({"other.xml": b"<update/>"}), "missing update document (update.xml) in the package."),
        (image({"update.xml": b"<info/>"}), "missing <update> in update.xml"),
        (image({"update.xml": b"<update"}), "its document cannot be read: unclosed token: line 1, column 0"),
        (image({"update.xml": b'<!DOCTYPE a [<!ENTITY x "y">]><update/>'}), "its document cannot be read: a document type is declared"),
        (b"<update/>", "missing <uuid> in update.xml"),
        (f"<update {UUID}/>".encode(), "missing <name-label> in update.xml"),
        (f'<update {UUID} name-label="a"/>'.encode(), "missing <version> in update.xml"),
        (f'<update {UUID} name-label="a" version="1"/>'.encode(), "missing <name-description> in update.xml"),
        (update_xml(uuid="no"), "'no' is no uuid"),
    ],
)
def test_what_is_no_update_is_refused(content: bytes, why: str) -> None:
    async def body(host: Host) -> Any:
        return await host.refused("pool_update.introduce", await on_disk(host, content))

    assert over_host(body) == ["INVALID_UPDATE", why]


@pytest.mark.parametrize(
    ("inside", "more", "refusal"),
    [
        ("<check-fails>no luck</check-fails>", {}, ["UNKNOWN_ERROR", "no luck"]),
        ("<required-version>^7\\.0</required-version>", {}, ["WRONG_SERVER_VERSION", "8.4.0", "^7\\.0"]),
        ("<required-version>(</required-version>", {}, ["WRONG_SERVER_VERSION", "8.4.0", "("]),
        (f'<prerequisite uuid="{OTHER}"/>', {}, ["PREREQUISITE_MISSING", OTHER]),
        (f"<required-space>{TOO_MUCH}</required-space>", {}, ["OUT_OF_SPACE", str(2 << 30), str(TOO_MUCH)]),
        ("", {"key": "somebody"}, ["GPGKEY_NOT_IMPORTED"]),
    ],
)
def test_prechecks(inside: str, more: dict[str, Any], refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        host.set(host.host, software_version={"product_version": "8.4.0", "build_number": "1"})
        update = await introduced(host, update_xml(inside, **more))
        told = [f"UPDATE_PRECHECK_FAILED_{refusal[0]}", update, *refusal[1:]]
        assert await host.refused("pool_update.precheck", update, host.host) == told
        assert await host.refused("pool_update.apply", update, host.host) == told
        assert await host.refused("pool_update.pool_apply", update) == ["UPDATE_POOL_APPLY_FAILED", host.host]
        assert await host.call("pool_update.get_hosts", update) == []

    over_host(body)


def test_a_prerequisite_and_a_conflict_are_looked_for_on_the_host() -> None:
    async def body(host: Host) -> None:
        first = await introduced(host, update_xml(uuid=OTHER))
        later = await introduced(host, update_xml(f'<prerequisite uuid="{OTHER}"/>'))
        hostile = await introduced(host, update_xml(f'<conflict uuid="{OTHER}"/>', uuid=PATCH.replace("b0de", "c0de")))
        assert await host.call("pool_update.precheck", hostile, host.host) == "ok"
        await host.call("pool_update.apply", first, host.host)
        await host.call("pool_update.apply", later, host.host)
        told = await host.refused("pool_update.apply", hostile, host.host)
        assert told == ["UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT", hostile, OTHER]

    over_host(body)


def test_an_update_that_fails_says_what_it_printed_and_leaves_nothing() -> None:
    async def body(host: Host) -> None:
        update = await introduced(host, update_xml("<apply-fails>disk on fire</apply-fails>"))
        assert await host.refused("pool_update.apply", update, host.host) == ["UPDATE_APPLY_FAILED", "disk on fire"]
        assert await host.call("host.get_updates", host.host) == []

    over_host(body)


def test_an_update_whose_vdi_was_cleaned_away_can_be_brought_again() -> None:
    async def body(host: Host) -> None:
        update = await introduced(host, update_xml())
        again = await on_disk(host, update_xml())
        assert await host.refused("pool_update.introduce", again) == ["UPDATE_ALREADY_EXISTS", PATCH]
        await host.call("pool_update.pool_clean", update)
        assert await host.call("pool_update.get_vdi", update) == NULL
        assert await host.refused("pool_update.apply", update, host.host) == ["CANNOT_FIND_UPDATE"]
        assert await host.refused("pool_update.attach", update) == ["CANNOT_FIND_UPDATE"]
        assert await host.call("pool_update.introduce", again) == update
        await host.call("pool_update.apply", update, host.host)

    over_host(body)


def test_an_update_is_attached_to_the_control_domain() -> None:
    async def body(host: Host) -> None:
        dom0 = host.kit.made("VM", is_control_domain=True, power_state="Running", resident_on=host.id(host.host))
        host.set(host.host, control_domain=dom0)
        update = await introduced(host, update_xml(key="RPM-GPG-KEY-X"))
        told = await host.call("pool_update.attach", update)
        assert told.splitlines()[-4:] == [
            "[XS70E001]",
            "name=XS70E001",
            f"baseurl=http://10.0.0.1/update/{PATCH}/vdi",
            "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-X",
        ]
        assert "http://127.0.0.1:8000/update/" in await host.call("pool_update.attach", update, True)
        (vbd,) = host.world[dom0]["VBDs"]
        assert host.world[vbd]["VDI"] == host.row(update)["vdi"]
        await host.call("pool_update.detach", update)
        await host.call("pool_update.detach", update)
        assert host.world[dom0]["VBDs"] == ()

    over_host(body)


def test_an_update_that_is_nowhere_is_forgotten_with_its_patch() -> None:
    async def body(host: Host) -> None:
        update = await introduced(host, update_xml())
        left = host.kit.make("pool_patch", name_label="of an older release")
        await host.call("pool_update.resync_host", host.host)
        assert left not in await host.call("pool_patch.get_all")
        await host.call("pool_update.destroy", update)
        assert await host.call("pool_patch.get_all") == await host.call("pool_update.get_all") == []

    over_host(body)


def test_a_disk_that_was_never_written_or_is_none_is_no_update() -> None:
    async def body(host: Host) -> None:
        bare = host.kit.make("VDI", SR=host.id(host.sr), managed=True)
        assert await host.refused("pool_update.introduce", bare) == ["INVALID_UPDATE", "Please upload a valid package."]
        assert await host.refused("pool_update.introduce", NULL) == ["HANDLE_INVALID", "VDI", NULL]

    over_host(body)
