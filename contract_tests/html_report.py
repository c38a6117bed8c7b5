"""The report of a run as one self-contained page: the rules by subject, then the tests that failed or were skipped.

Knows the report's value and the list of rules. May not know pytest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final

from contract_tests.report import JsonReport
from contract_tests.rules import RULES, UNSEEN

STYLE: Final = """
body { font: 15px/1.4 sans-serif; margin: 2em auto; max-width: 70em; color: #222 }
td { padding: .1em .8em .1em 0; vertical-align: top } .failed { color: #b00020; font-weight: bold }
.held { color: #00695c } .none { color: #777 } summary { cursor: pointer; margin: .4em 0 }
"""
CLASSES: Final = {"held": "held", "failed": "failed", "not applicable": "none", "not run": "none"}


class HtmlReport(JsonReport):
    """A pytest plugin that writes the report as a page."""

    def text(self) -> str:
        """The whole page."""
        return page(self.result())


def page(result: Mapping[str, Any]) -> str:
    """The page of a report."""
    return "\n".join(_page(result)) + "\n"


def _page(result: Mapping[str, Any]) -> Iterator[str]:
    title = f"Contract of {result['server'] or result['url']}"
    yield f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style></head><body>'
    yield f"<h1>{escape(title)}</h1><p>{escape(result['url'])}</p>"
    yield f"<p>Tests: {result['passed']} passed, {result['failed']} failed, {result['skipped']} skipped.</p>"
    outcomes = {rule: outcome for outcome, rules in result["rules"].items() for rule in rules}
    counts = ", ".join(f"{len(rules)} {outcome}" for outcome, rules in result["rules"].items())
    yield f"<h2>Rules</h2><p>{counts}, {len(UNSEEN)} that no client can see.</p>"
    for subject, rules in RULES.items():
        yield from _subject(subject, rules, outcomes)
    for outcome in ("failed", "skipped"):
        yield from _tests(outcome, [row for row in result["tests"] if row["outcome"] == outcome])
    yield "</body></html>"


def _subject(subject: str, rules: Iterable[str], outcomes: Mapping[str, str]) -> Iterator[str]:
    found = [(rule, outcomes.get(rule, "not run")) for rule in rules]
    held = sum(outcome == "held" for _, outcome in found)
    is_open = " open" if any(outcome == "failed" for _, outcome in found) else ""
    yield f"<details{is_open}><summary>{escape(subject)}: {held} of {len(found)} held</summary><table>"
    for rule, outcome in found:
        yield f'<tr><td>{escape(rule)}</td><td class="{CLASSES[outcome]}">{outcome}</td></tr>'
    yield "</table></details>"


def _tests(outcome: str, rows: list[Mapping[str, Any]]) -> Iterator[str]:
    if rows:
        yield f"<h2>Tests that {'failed' if outcome == 'failed' else 'were skipped'}</h2><table>"
        for row in rows:
            cells = (row["test"], row["fact"], row["message"])
            yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        yield "</table>"
