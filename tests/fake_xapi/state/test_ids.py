"""Refs and uuids: reversible, different in every world, the same on every run."""

from __future__ import annotations

import uuid
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_xapi.datamodel.types import NULL_REF
from fake_xapi.state.ids import NULL, Keys, _text, class_numbers, class_of, make_id

ids = st.builds(make_id, st.sampled_from(sorted(class_numbers().values())), st.integers(1, 10**9))


@given(ids)
def test_a_ref_leads_back_to_its_object(identity: int) -> None:
    keys = Keys("7")
    assert keys.find_ref(keys.ref(identity)) == identity


@given(ids)
def test_a_uuid_leads_back_to_its_object_and_is_not_its_ref(identity: int) -> None:
    keys = Keys("7")
    assert keys.find_uuid(keys.uuid(identity)) == identity
    assert keys.ref(identity) != f"OpaqueRef:{keys.uuid(identity)}"


@given(ids)
def test_a_uuid_is_a_version_4_uuid(identity: int) -> None:
    parsed = uuid.UUID(Keys("7").uuid(identity))
    assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)


@given(ids)
def test_worlds_of_different_seeds_share_no_ref(identity: int) -> None:
    assert Keys("7").find_ref(Keys("8").ref(identity)) == NULL


def test_the_same_seed_gives_the_same_ref_on_every_run() -> None:
    assert Keys("7").ref(make_id(class_numbers()["VM"], 1)) == "OpaqueRef:81ef3e6f-f042-42e8-8512-491b82ffbc08"


def test_null_is_the_null_ref() -> None:
    assert Keys("7").ref(NULL) == NULL_REF


def test_an_id_knows_its_class() -> None:
    assert class_of(make_id(class_numbers()["SR"], 3)) == "SR"
    assert class_of(NULL) == ""


@pytest.mark.parametrize(
    "text", ["", "OpaqueRef:", "OpaqueRef:nonsense", NULL_REF, "OpaqueRef:81ef3e6f-f042-42e8-8512-491b82ffbc0g", "81ef3e6f"]
)
def test_a_text_that_is_no_ref_leads_nowhere(text: str) -> None:
    assert Keys("7").find_ref(text) == NULL


SESSIONS = [make_id(class_numbers()["session"], ordinal) for ordinal in range(1, 200)]


def test_a_secret_changes_the_refs_and_uuids_of_sessions_and_of_nothing_else() -> None:
    plain, guarded = Keys("7"), Keys("7", b"secret")
    vm = make_id(class_numbers()["VM"], 1)
    assert (plain.ref(vm), plain.uuid(vm)) == (guarded.ref(vm), guarded.uuid(vm))
    for session in SESSIONS:
        assert plain.find_ref(guarded.ref(session)) == plain.find_uuid(guarded.uuid(session)) == NULL
        assert guarded.find_ref(guarded.ref(session)) == guarded.find_uuid(guarded.uuid(session)) == session


def test_whoever_guesses_the_seed_can_compute_every_ref_but_those_of_guarded_sessions() -> None:
    known = Keys("0/2", b"secret")
    host, vm = make_id(class_numbers()["host"], 1), make_id(class_numbers()["VM"], 50)
    (seed,) = [f"0/{number}" for number in range(100) if Keys(f"0/{number}").ref(host) == known.ref(host)]
    guess = Keys(seed)
    assert guess.ref(vm) == known.ref(vm)
    assert {guess.ref(session) for session in SESSIONS}.isdisjoint(known.ref(session) for session in SESSIONS)


def test_a_session_is_not_found_by_the_ref_that_an_ordinary_object_would_have_in_its_place() -> None:
    keys = Keys("7", b"secret")
    for session in SESSIONS:
        assert keys.find_ref(f"OpaqueRef:{_text(keys._refs.forth(session))}") == NULL
        assert keys.find_uuid(_text(keys._uuids.forth(session))) == NULL
        assert keys.find_ref(f"OpaqueRef:{keys.uuid(session)}") == NULL


def test_neighbouring_sessions_differ_in_half_of_their_bits() -> None:
    refs = [int(Keys("7", b"secret").ref(session)[10:].replace("-", ""), 16) for session in SESSIONS]
    distances = [(one ^ other).bit_count() for one, other in pairwise(refs)]
    assert 55 < sum(distances) / len(distances) < 67


def test_a_keyed_text_follows_from_secret_seed_and_purpose() -> None:
    texts = {Keys(seed, secret).keyed_text(purpose) for seed in "78" for secret in (b"a", b"b") for purpose in ("pool secret", "other")}
    assert len(texts) == 8
    assert Keys("7", b"a").keyed_text("pool secret") == Keys("7", b"a").keyed_text("pool secret")
