"""The pages say what is true: links lead somewhere, lists are complete, and the Python that they show runs."""

from __future__ import annotations

import re

from tests.code.documents import links, pages
from tests.code.sources import ROOT

DECISIONS = ROOT / "docs" / "decisions"
KINDS = {"added", "changed", "removed", "fixed"}


def test_every_link_leads_somewhere() -> None:
    assert [f"{page.relative_to(ROOT)}: {link}" for page in pages() for link in links(page) if not (page.parent / link).exists()] == []


def test_the_list_of_decisions_is_complete() -> None:
    listed = re.findall(r"^\| \[?(\d{4})\]?\S* \| ", (DECISIONS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    written = sorted(path.name[:4] for path in DECISIONS.glob("[0-9]*.md"))
    assert listed == written


def test_every_decision_says_what_was_compared() -> None:
    wanted = {"## Decision", "## Compared", "## Consequences"}
    lacking = {path.name: wanted - set(path.read_text(encoding="utf-8").splitlines()) for path in DECISIONS.glob("[0-9]*.md")}
    assert {name: parts for name, parts in lacking.items() if parts} == {}


def test_fragments_of_the_change_log_are_one_sentence_of_a_known_kind() -> None:
    fragments = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "changelog.d").glob("*.md") if path.name != "README.md"}
    assert fragments
    assert {name: text for name, text in fragments.items() if name.split(".")[1:] not in [[kind, "md"] for kind in KINDS]} == {}
    assert {name: text for name, text in fragments.items() if not re.fullmatch(r"[^\n]+\.\n", text)} == {}
