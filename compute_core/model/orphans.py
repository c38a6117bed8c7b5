"""What is on a host and belongs to no server that its cell knows there, as the operator sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["VM", "VDI", "VBD", "VIF", "SR", "task", "file"]
"""A class of XenAPI, or something in dom0's file systems."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """``id`` is a uuid, or the path of a file. ``server`` is the server that it was made for, "" when it is nobody's.

    ``since``: when the agent first saw that it is one, and ``age_s`` how long ago. ``is_certain``: no other cell and no other agent can
    want it; what is not certain goes only when somebody asks for it by its id.
    """

    kind: Kind
    id: str
    name: str
    why: str
    server: str = ""
    size_bytes: int = 0
    is_certain: bool = True
    since: str = ""
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What became of an orphan that was to go; ``problem`` is "" when it is gone."""

    kind: Kind
    id: str
    name: str
    problem: str = ""
