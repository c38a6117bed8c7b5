"""The project's pages for people, their links and the commands that they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.code.sources import ROOT


def pages() -> list[Path]:
    """Every Markdown page of the repository."""
    folders = (path for folder in ("docs", "changelog.d") for path in (ROOT / folder).rglob("*.md"))
    return sorted([*ROOT.glob("*.md"), *folders])


def blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced blocks of one language."""
    text = page.read_text(encoding="utf-8")
    return (found[1] for found in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def commands() -> dict[str, Path]:
    """Every command in a ``sh`` block, continuation lines joined, and a page that shows it."""
    shown = ((line.strip(), page) for page in pages() for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines())
    return {" ".join(line.split()): page for line, page in shown if line and not line.startswith("#")}


def links(page: Path) -> Iterator[str]:
    """The relative links of a page, anchors left out."""
    for found in re.finditer(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in found[1]:
            yield found[1]
