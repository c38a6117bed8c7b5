"""External authentication: hosts join a domain, its users log in with what their groups allow, and are gone when they should be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.engine.settings import Settings
from tests.fake_xapi.engine.kit import Kit, over_xapi
from tests.fake_xapi.engine.people import DOMAIN, JOINER, People, directory, over_people, pool

HOUR_S = 3600.0
EMPTY: dict[str, str] = {}


def facts(kit: Kit) -> list[tuple[str, str, dict[str, str]]]:
    """What the hosts say of their external authentication."""
    names = ("external_auth_type", "external_auth_service_name", "external_auth_configuration")
    return [tuple(row[name] for name in names) for _, row in sorted(kit.world.rows("host"))]


def with_directory() -> Settings:
    return Settings(directory=directory())


# ---- joining --------------------------------------------------------------------------------------------------------------------


def test_a_pool_joins_and_keeps_no_password() -> None:
    async def body(people: People) -> None:
        configuration = {"domain": DOMAIN, "user": "Administrator", "workgroup": "EXAMPLE", "ldaps": "false"}
        assert facts(people.kit) == [("AD", DOMAIN, configuration)]

    over_people(body)


@pytest.mark.parametrize(
    ("config", "service", "kind", "refusal"),
    [
        (JOINER, DOMAIN, "", ["AUTH_UNKNOWN_TYPE", ""]),
        (JOINER, DOMAIN, "LDAP", ["AUTH_UNKNOWN_TYPE", "LDAP"]),
        (JOINER, "other.com", "AD", ["AUTH_ENABLE_FAILED_DOMAIN_LOOKUP_FAILED", "The domain other.com cannot be found"]),
        ({**JOINER, "pass": "x"}, DOMAIN, "AD", ["AUTH_ENABLE_FAILED_WRONG_CREDENTIALS", "The user name or the password is wrong"]),
        ({}, DOMAIN, "AD", ["AUTH_ENABLE_FAILED_WRONG_CREDENTIALS", "The user name or the password is wrong"]),
    ],
)
def test_who_may_not_join(config: dict[str, str], service: str, kind: str, refusal: list[str]) -> None:
    async def body(kit: Kit) -> None:
        host = kit.world.ref(kit.xapi.host)
        assert await kit.refused("host.enable_external_auth", host, config, service, kind) == refusal
        of_pool = refusal if refusal[0] == "AUTH_UNKNOWN_TYPE" else [f"POOL_{refusal[0]}", host, refusal[1]]
        assert await kit.refused("pool.enable_external_auth", pool(kit), config, service, kind) == of_pool
        assert facts(kit) == [("", "", {})]

    over_xapi(body, settings=with_directory())


def test_a_host_without_a_directory_finds_no_domain() -> None:
    async def body(kit: Kit) -> None:
        refusal = await kit.refused("host.enable_external_auth", kit.world.ref(kit.xapi.host), JOINER, DOMAIN, "AD")
        assert refusal == ["AUTH_ENABLE_FAILED_DOMAIN_LOOKUP_FAILED", f"The domain {DOMAIN} cannot be found"]

    over_xapi(body)


def test_what_has_joined_does_not_join_again() -> None:
    async def body(people: People) -> None:
        kit, host = people.kit, people.kit.world.ref(people.kit.xapi.host)
        assert await kit.refused("host.enable_external_auth", host, JOINER, DOMAIN, "AD") == ["AUTH_ALREADY_ENABLED", "AD", DOMAIN]
        assert await kit.refused("pool.enable_external_auth", pool(kit), JOINER, DOMAIN, "AD") == ["POOL_AUTH_ALREADY_ENABLED", host]

    over_people(body)


def test_a_pool_joins_with_all_its_hosts_or_not_at_all() -> None:
    async def body(kit: Kit) -> None:
        with kit.world.edit() as edit:
            edit.set(next(kit.world.ids("pool")), master=kit.xapi.host)
        same = kit.make("host", hostname="h", name_label="other")
        refusal = await kit.refused("pool.enable_external_auth", pool(kit), JOINER, DOMAIN, "AD")
        message = "At least two hosts in the pool have the same hostname"
        assert refusal == ["POOL_AUTH_ENABLE_FAILED_DUPLICATE_HOSTNAME", kit.world.ref(kit.xapi.host), message]
        with kit.world.edit() as edit:
            edit.set(kit.world.find_ref(same), hostname="other")
        await kit.call("pool.enable_external_auth", pool(kit), JOINER, DOMAIN, "AD")
        assert [kind for kind, _, _ in facts(kit)] == ["AD", "AD"]
        await kit.call("pool.disable_external_auth", pool(kit))
        assert facts(kit) == [("", "", {}), ("", "", {})]

    over_xapi(body, settings=with_directory())


def test_subjects_whom_the_new_domain_does_not_know_are_forgotten() -> None:
    async def body(kit: Kit) -> None:
        known = kit.make("subject", subject_identifier=directory().find("stranger"))
        kit.make("subject", subject_identifier="S-1-5-21-of-another-domain")
        await kit.call("pool.enable_external_auth", pool(kit), JOINER, DOMAIN, "AD")
        assert await kit.call("subject.get_all") == [known]

    over_xapi(body, settings=with_directory())


def test_the_old_releases_know_fewer_reasons() -> None:
    async def body(kit: Kit) -> None:
        refusal = await kit.refused("host.enable_external_auth", kit.world.ref(kit.xapi.host), {}, DOMAIN, "AD")
        assert refusal[0] in kit.world.personality.errors
        assert refusal[0].startswith("AUTH_ENABLE_FAILED")

    over_xapi(body, "boston", with_directory())


# ---- leaving --------------------------------------------------------------------------------------------------------------------


def test_when_a_pool_leaves_its_users_are_logged_out_and_root_is_not() -> None:
    async def body(people: People) -> None:
        kit, session = people.kit, await people.login("vm-admin-user")
        await kit.call("pool.disable_external_auth", pool(kit))
        assert await kit.raw_refused("VM.get_all", session) == ["SESSION_INVALID", session]
        assert await kit.call("VM.get_all") == []
        assert facts(kit) == [("", "", {})]
        assert await kit.call("pool.disable_external_auth", pool(kit)) == ""

    over_people(body)


def test_wrong_credentials_keep_a_host_in_unless_it_is_forced() -> None:
    async def body(people: People) -> None:
        kit, host = people.kit, people.kit.world.ref(people.kit.xapi.host)
        wrong = {**JOINER, "pass": "wrong"}
        message = "The user name or the password is wrong"
        assert await kit.refused("host.disable_external_auth", host, wrong) == ["AUTH_DISABLE_FAILED_WRONG_CREDENTIALS", message]
        of_pool = await kit.refused("pool.disable_external_auth", pool(kit), wrong)
        assert of_pool == ["POOL_AUTH_DISABLE_FAILED_WRONG_CREDENTIALS", host, f"h: {message}"]
        assert facts(kit)[0][0] == "AD"
        assert await kit.call("host.disable_external_auth", host, wrong, True) == ""
        assert facts(kit) == [("", "", {})]

    over_people(body)


# ---- LDAPS ----------------------------------------------------------------------------------------------------------------------


def test_ldaps_needs_a_certificate_to_trust() -> None:
    async def body(people: People) -> None:
        kit, host = people.kit, people.kit.world.ref(people.kit.xapi.host)
        message = "No certificate to verify the domain controller with is installed"
        assert await kit.refused("host.external_auth_set_ldaps", host, True) == ["AUTH_NO_TRUSTED_CERTS", message]
        assert await kit.refused("pool.external_auth_set_ldaps", pool(kit), True) == ["AUTH_SET_LDAPS_FAILED", host, message]
        kit.make("Certificate", type="ca", name="domain controller")
        for wanted in (True, False):
            await kit.call("pool.external_auth_set_ldaps", pool(kit), wanted)
            assert facts(kit)[0][2]["ldaps"] == str(wanted).lower()

    over_people(body)


def test_ldaps_is_nothing_for_who_has_not_joined() -> None:
    async def body(kit: Kit) -> None:
        assert await kit.refused("pool.external_auth_set_ldaps", pool(kit), True) == ["AUTH_IS_DISABLED"]

    over_xapi(body)


# ---- logging in -----------------------------------------------------------------------------------------------------------------


def test_a_users_session_says_who_it_is() -> None:
    async def body(people: People) -> None:
        kit, sid = people.kit, people.directory.find("nested")
        session = await people.login("nested")
        record = (await kit.call("session.get_record", session)).value()
        outer = next(s for s, row in kit.world.rows("subject") if row["subject_identifier"] == people.directory.find("outer"))
        told = {name: record[name] for name in ("is_local_superuser", "subject", "auth_user_sid", "auth_user_name", "pool")}
        assert told == {
            "is_local_superuser": False,
            "subject": kit.world.ref(outer),
            "auth_user_sid": sid,
            "auth_user_name": "EXAMPLE\\nested",
            "pool": False,
        }
        assert await kit.call("session.get_all_subject_identifiers") == [sid]

    over_people(body)


def test_who_is_not_let_in_hears_why_after_a_while() -> None:
    async def body(people: People) -> None:
        sid = people.directory.find
        began = asyncio.get_running_loop().time()
        assert await people.refused("read-only-user", "wrong") == [
            "SESSION_AUTHENTICATION_FAILED",
            "read-only-user",
            "Authentication failure",
        ]
        assert asyncio.get_running_loop().time() - began == 5.0
        assert await people.refused("nobody") == ["SESSION_AUTHENTICATION_FAILED", "nobody", "Authentication failure"]
        stranger = f"Subject stranger (identifier {sid('stranger')}) has no access rights in this pool"
        assert await people.refused("stranger") == ["SESSION_AUTHORIZATION_FAILED", "stranger", stranger]
        roleless = f"Subject roleless (identifier {sid('roleless')}) has no roles in this pool"
        assert await people.refused("roleless") == ["RBAC_PERMISSION_DENIED", "session.login_with_password", roleless]
        for name in ("disabled", "expired", "locked", "password_expired"):
            suspended = f"User {name} (subject_id {sid(name)}) suspended in external directory"
            assert await people.refused(name) == ["SESSION_AUTHORIZATION_FAILED", name, suspended]
        assert people.kit.world.count("session") == 1

    over_people(body, settings=Settings(login_delay_s=5.0))


def test_the_old_releases_do_not_tell_who_from_what() -> None:
    async def body(people: People) -> None:
        assert (await people.refused("stranger"))[0] == "SESSION_AUTHENTICATION_FAILED"

    over_people(body, "tampa")


def test_with_external_authentication_only_root_is_a_local_superuser() -> None:
    async def body(kit: Kit) -> None:
        admin = await kit.raw("session.login_with_password", "admin", "secret")
        await kit.raw("pool.enable_external_auth", admin, pool(kit), JOINER, DOMAIN, "AD")
        refusal = await kit.raw_refused("session.login_with_password", "admin", "secret")
        assert refusal == ["SESSION_AUTHENTICATION_FAILED", "admin", "Authentication failure"]
        await kit.raw("pool.disable_external_auth", admin, pool(kit))
        assert await kit.raw("session.login_with_password", "admin", "secret") != admin

    over_admin(body)


def over_admin(body: Any) -> None:
    """Over a host whose local account is not root."""

    async def main(kit: Kit) -> None:
        kit.xapi.settings = Settings(user="admin", password="secret", directory=directory())
        await body(kit)

    over_xapi(main)


def test_roles_that_change_count_from_the_next_login_on() -> None:
    async def body(people: People) -> None:
        kit = people.kit
        subject = next(s for s, row in kit.world.rows("subject") if row["subject_identifier"] == people.directory.find("read-only-user"))
        before = await people.login("read-only-user")
        await kit.call("subject.add_to_roles", kit.world.ref(subject), people.role("pool-admin"))
        after = await people.login("read-only-user")
        pif = kit.make("VM")
        assert (await kit.raw_refused("VM.set_name_label", before, pif, "x"))[0] == "RBAC_PERMISSION_DENIED"
        assert await kit.raw("VM.set_name_label", after, pif, "x") == ""

    over_people(body)


# ---- logged out -----------------------------------------------------------------------------------------------------------------


def test_all_sessions_of_a_user_end_but_the_callers_own() -> None:
    async def body(people: People) -> None:
        kit = people.kit
        own, other = await people.login("pool-operator-user"), await people.login("pool-operator-user")
        reader = await people.login("read-only-user")
        await kit.raw("session.logout_subject_identifier", own, people.directory.find("pool-operator-user"))
        assert await kit.raw_refused("VM.get_all", other) == ["SESSION_INVALID", other]
        for session in (own, reader, kit.session):
            assert await kit.raw("VM.get_all", session) == []

    over_people(body)


def test_a_user_who_is_no_longer_let_in_is_found_out_within_forty_minutes() -> None:
    async def body(people: People) -> None:
        kit, session = people.kit, await people.login("read-only-user")
        subject = next(s for s, row in kit.world.rows("subject") if row["subject_identifier"] == people.directory.find("read-only-user"))
        await kit.call("subject.destroy", kit.world.ref(subject))
        await asyncio.sleep(29 * 60)
        assert await kit.raw("VM.get_all", session) == []
        await asyncio.sleep(12 * 60)
        assert await kit.raw_refused("VM.get_all", session) == ["SESSION_INVALID", session]

    over_people(body)


def test_a_user_who_is_still_welcome_stays_and_the_session_says_when_it_was_asked() -> None:
    async def body(people: People) -> None:
        kit, session = people.kit, await people.login("read-only-user")
        before = await kit.call("session.get_validation_time", session)
        for _ in range(3):
            await asyncio.sleep(HOUR_S)
            assert await kit.raw("VM.get_all", session) == []
        assert await kit.call("session.get_validation_time", session) > before

    over_people(body)
