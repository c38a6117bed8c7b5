"""What a mistaken name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def suggestion(name: str, known: Sequence[str]) -> str:
    """The cure, as the end of a sentence: names that are close, else one of those that there are."""
    alike = [other for other in known if other.casefold() == name.casefold()]
    close = alike or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"there is, for example, {known[0]}"
