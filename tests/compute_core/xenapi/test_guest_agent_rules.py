"""What is known of agents before one is spoken to: the file of rules, the words of images, and which request a guest's features allow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.instances import File
from compute_core.xenapi import marks
from compute_core.xenapi.guest_agent_errands import Ask, features_in, file, version_in
from compute_core.xenapi.guest_agent_rules import AgentBuild, AgentRules, BadRules, Terms, mark_of, read_rules, terms_in, terms_of
from compute_core.xenapi.plugins import AgentReply, AgentRequest
from tests.code.documents import blocks
from tests.code.sources import ROOT
from tests.compute_core.values import an_image

BUILD = {"version": "1.39.1", "url": "https://agents/a.tgz", "md5": "0" * 32}
NEWEST = AgentBuild("1.40.2", "https://agents/b.tgz", "1" * 32)


def rules(folder: Path, **members: Any) -> AgentRules:
    path = folder / "agents.json"
    path.write_text(json.dumps(members))
    return read_rules(path)


def test_a_file_of_rules_says_what_it_says_and_the_rest_is_as_usual(tmp_path: Path) -> None:
    assert rules(tmp_path) == AgentRules()
    told = rules(tmp_path, is_assumed=True, is_required=True, boot_s=30, builds=[BUILD], derivations={"1.40": "pbkdf2"})
    build = AgentBuild("1.39.1", "https://agents/a.tgz", "0" * 32, "linux", "x86_64")
    assert told == AgentRules(is_assumed=True, is_required=True, boot_s=30.0, builds=(build,), derivations={"1.40": "pbkdf2"})


@pytest.mark.parametrize(
    "members",
    [
        {"is_assumed": "yes"},
        {"boot": 30},
        {"boot_s": 0},
        {"answer_s": 121},
        {"boot_s": 1201},
        {"builds": [{**BUILD, "md5": "0"}]},
        {"builds": [{**BUILD, "url": "https://agents/a,b"}]},
        {"builds": [{**BUILD, "version": "newest"}]},
        {"builds": [{"version": "1"}]},
        {"derivations": {"1.0": "sha1"}},
        {"derivations": {"one": "md5"}},
    ],
)
def test_rules_that_cannot_be_meant_are_refused(tmp_path: Path, members: dict[str, Any]) -> None:
    with pytest.raises(BadRules, match=r"agents\.json: .*Cure: "):
        rules(tmp_path, **members)


def test_the_file_that_the_page_shows_is_one(tmp_path: Path) -> None:
    [shown] = blocks(ROOT / "docs/how-to/guests-with-an-agent.md", "json")
    told = rules(tmp_path, **json.loads(shown))
    assert (len(told.builds), told.derivation_of("2.1", ()), told.derivation_of("1.39.1", ())) == (1, "sha256", "md5")
    assert told == AgentRules(builds=told.builds, derivations=told.derivations)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRules, match="No such file"):
        read_rules(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("version", "features", "derivation"),
    [
        ("0.0.1.34", (), "md5"),
        ("1.39.1", (), "sha256"),
        ("2.0", (), "pbkdf2"),
        ("1.38.9", ("sha256",), "sha256"),
        ("0.1", ("password", "pbkdf2", "md5"), "pbkdf2"),
        ("2.0", ("md5",), "md5"),
        ("", (), "md5"),
    ],
)
def test_an_agent_says_how_it_makes_its_keys_or_its_version_does(version: str, features: tuple[str, ...], derivation: str) -> None:
    assert AgentRules(derivations={"1.39": "sha256", "2": "pbkdf2"}).derivation_of(version, features) == derivation
    assert AgentRules().derivation_of(version, ()) == "md5"


@pytest.mark.parametrize(
    ("version", "terms", "build"),
    [
        ("1.9", Terms(), NEWEST),
        ("1.40.1.9", Terms(), NEWEST),
        ("1.40.2", Terms(), None),
        ("1.100", Terms(), None),
        ("1.9", Terms(os="windows"), None),
        ("1.9", Terms(architecture="i686"), None),
    ],
)
def test_a_guest_gets_the_newest_build_for_its_system_when_its_own_is_older(version: str, terms: Terms, build: AgentBuild | None) -> None:
    known = AgentRules(builds=(AgentBuild("1.39", "https://agents/a", "0" * 32), NEWEST))
    assert known.newer_than(version, terms) == build


@pytest.mark.parametrize(
    ("properties", "terms"),
    [
        ({}, Terms()),
        ({"xenapi_use_agent": "true"}, Terms(is_there=True)),
        ({"xenapi_use_agent": "False"}, Terms(is_there=False)),
        ({"xenapi_use_agent": "perhaps"}, Terms()),
        ({"xenapi_skip_agent_inject_ssh": "true"}, Terms(takes_key=False)),
        ({"xenapi_skip_agent_inject_files_at_boot": "1"}, Terms(takes_files=False)),
        ({"os_type": "windows", "architecture": "i686"}, Terms(os="windows", architecture="i686")),
    ],
)
def test_a_vm_keeps_what_its_image_says_of_its_agent(properties: dict[str, str], terms: Terms) -> None:
    image = an_image(properties=properties)
    assert terms_of(image) == terms_in({"other_config": mark_of(image)}) == terms
    assert (mark_of(image) == {}) == (terms == Terms())


def test_guests_have_an_agent_when_their_images_say_so_or_the_rules_do_for_those_that_do_not() -> None:
    assumed, usual = AgentRules(is_assumed=True), AgentRules()
    assert [Terms(said).hold(usual) for said in (True, False, None)] == [True, False, False]
    assert [Terms(said).hold(assumed) for said in (True, False, None)] == [True, False, True]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"is_there": "x"}'])
def test_terms_that_somebody_has_spoilt_are_none(text: str) -> None:
    assert terms_in({"other_config": {marks.AGENT: text}}) == Terms()


@pytest.mark.parametrize("text", ["1.3.1.4", "1.3.1.4\\r\\n", "1.3.1.4\r\n"])
def test_a_version_is_its_number(text: str) -> None:
    assert version_in(AgentReply("0", text)) == "1.3.1.4"


def test_an_agent_that_does_not_say_what_it_understands_takes_no_files() -> None:
    features = features_in(AgentReply("404", "No such command: features"))
    assert file(File("/a", "eA=="), features) == Ask("file /a", None, why="the agent does not take files")


def test_a_file_goes_in_the_better_way_that_the_agent_knows() -> None:
    apart = AgentRequest("file_inject", {"b64_path": "L2E=", "b64_file": "eA=="}, None)
    assert file(File("/a", "eA=="), features_in(AgentReply("0", "injectfile,file_inject"))).request == apart
    assert file(File("/a", "eA=="), frozenset({"injectfile"})).request == AgentRequest("injectfile", "L2EseA==", None)
