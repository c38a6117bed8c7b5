"""A personality has what its release had and nothing else, under every name of the release."""

from __future__ import annotations

import itertools

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.personality import names, personality

HISTORICAL = ("boston", "tampa", "clearwater")


@pytest.mark.parametrize(
    ("version", "code"), [("6.0", "boston"), ("6.1", "tampa"), ("6.2", "clearwater"), ("7.0", "dundee"), ("8.2", "stockholm")]
)
def test_a_version_names_the_same_personality_as_the_code_name(version: str, code: str) -> None:
    assert personality(version) is personality(code)


def test_every_name_that_is_offered_is_taken() -> None:
    assert len(set(names())) == len(names())
    assert {personality(name).name for name in names()} == {release.code for release in datamodel().releases if release.code}


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("clearwatr", "did you mean one of: clearwater, "),
        ("6.3", "did you mean one of: "),
        ("Clearwater", "clearwater"),
        ("", "latest"),
        ("1", "no XenServer release is called '1'"),
        ("hyper-v", "no XenServer release is called 'hyper-v'"),
    ],
)
def test_an_unknown_name_is_refused_with_what_would_fit(name: str, cure: str) -> None:
    with pytest.raises(ValueError, match="no XenServer release is called") as refusal:
        personality(name)
    assert cure in str(refusal.value)


def test_both_spellings_of_a_message_are_one_message() -> None:
    for name in (*HISTORICAL, "latest"):
        messages = personality(name).messages
        assert all(messages[m.wire_name] is m and messages[wire.replace(".", "_", 1)] is m for wire, m in messages.items() if "." in wire)


@pytest.mark.parametrize(
    ("message", "since"),
    [
        ("VM.start", "boston"),
        ("event.from", "boston"),
        ("VM.migrate_send", "tampa"),
        ("VDI.pool_migrate", "tampa"),
        ("SR.get_clustered", "dundee"),
    ],
)
def test_a_message_exists_from_its_release_on(message: str, since: str) -> None:
    order = [*HISTORICAL, "dundee", "latest"]
    assert {name for name in order if message in personality(name).messages} == set(order[order.index(since) :])


def test_a_field_that_a_release_lacks_has_no_accessors_there() -> None:
    old, new = personality("clearwater"), personality("latest")
    assert [(p.has_field("VM", "has_vendor_device"), "VM.get_has_vendor_device" in p.messages) for p in (old, new)] == [
        (False, False),
        (True, True),
    ]
    assert not old.has_field("PVS_site", "uuid")


@pytest.mark.parametrize("name", HISTORICAL)
def test_every_derived_accessor_of_an_old_release_reads_a_field_of_it(name: str) -> None:
    old = personality(name)
    orphans = [m.wire_name for m in old.messages.values() if m.field and not old.has_field(m.cls, m.field)]
    assert orphans == []


@pytest.mark.parametrize("name", [*HISTORICAL, "creedence", "dundee", "stockholm", "latest"])
def test_every_getter_of_a_release_answers_the_type_of_its_field(name: str) -> None:
    found = personality(name)
    fields = {(cls.name, field.name): field.type for cls in found.classes.values() for field in cls.fields}
    getters = [message for message in found.messages.values() if message.kind == "field_getter"]
    assert getters
    assert [m.wire_name for m in getters if m.result != fields[m.cls, m.field]] == []


def test_a_later_release_never_loses_a_class() -> None:
    modern = [r.code for r in datamodel().releases if r.code and r.index > personality("clearwater").release.index]
    for earlier, later in itertools.pairwise(modern):
        assert set(personality(earlier).classes) <= set(personality(later).classes), (earlier, later)


def test_an_optional_parameter_is_absent_before_its_release() -> None:
    def parameters(release: str) -> list[str]:
        return [param.name for param in personality(release).messages["session.login_with_password"].params]

    assert (parameters("boston"), parameters("latest")) == (["uname", "pwd", "version"], ["uname", "pwd", "version", "originator"])


def test_min_params_leaves_out_the_optional_ones() -> None:
    login = personality("latest").messages["session.login_with_password"]
    assert (len(login.params), login.min_params, login.needs_session) == (4, 2, False)
