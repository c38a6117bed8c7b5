"""What an installation knows of the agents in its guests, as a file says it; and what an image says of its own. Values, no calls."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from compute_core.model.images import Image
from compute_core.model.json import from_json, to_json
from compute_core.xenapi import marks
from compute_core.xenapi.guest_agent_secrets import DERIVATIONS

Version = Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)*$")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=120)]
Minutes = Annotated[float, msgspec.Meta(gt=0, le=1200)]
"""In seconds, too: a call of a plugin may not last much longer."""


class BadRules(ValueError):
    """A file of rules that cannot be read; the message names it, what is wrong, and the cure."""


class AgentBuild(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One release of an agent, which guests of that system are to have at least."""

    version: Version
    url: Annotated[str, msgspec.Meta(pattern=r"^[a-z]+://[^,\s]+$")]
    md5: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{32}$")]
    os: str = "linux"
    architecture: str = "x86_64"


class AgentRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``is_assumed``: whether guests have an agent whose images do not say. ``is_required``: whether a server fails whose agent is mute.

    ``boot_s``: how long a guest may take to boot until its agent answers; ``answer_s``: one answer of an agent that is up; ``reset_s``: a
    reset of its network. ``derivations``: since which version an agent makes its keys how; before all of them, by MD5.
    """

    is_assumed: bool = False
    is_required: bool = False
    boot_s: Minutes = 300.0
    answer_s: Seconds = 30.0
    reset_s: Seconds = 60.0
    builds: tuple[AgentBuild, ...] = ()
    derivations: dict[Version, Literal["md5", "sha256", "pbkdf2"]] = {}

    def derivation_of(self, version: str, features: Collection[str]) -> str:
        """How an agent makes its key: as it says itself, the strongest; else as these rules say of its version."""
        said = [name for name in DERIVATIONS if name in features]
        since = {numbers(first): name for first, name in self.derivations.items() if numbers(first) <= numbers(version)}
        return said[-1] if said else since[max(since)] if since else "md5"

    def newer_than(self, version: str, terms: Terms) -> AgentBuild | None:
        """The newest build for a guest, when it is newer than what it has."""
        fitting = [build for build in self.builds if (build.os, build.architecture) == (terms.os, terms.architecture)]
        newest = max(fitting, key=lambda build: numbers(build.version), default=None)
        return newest if newest is not None and numbers(newest.version) > numbers(version) else None


def read_rules(path: Path) -> AgentRules:
    """The rules in a file. BadRules."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=AgentRules)
    except (OSError, msgspec.MsgspecError) as problem:
        raise BadRules(f"{path}: {problem}. Cure: see the page on guests with an agent for what may stand in it.") from None


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


@dataclass(frozen=True, slots=True)
class Terms:
    """What an image says of its guest: whether it has an agent (None: nothing), what not to leave to it, what system it is."""

    is_there: bool | None = None
    takes_key: bool = True
    takes_files: bool = True
    os: str = "linux"
    architecture: str = "x86_64"

    def hold(self, rules: AgentRules) -> bool:
        """Whether there is an agent to speak to, as far as is known."""
        return rules.is_assumed if self.is_there is None else self.is_there


UNSAID = Terms()
"""Of an image that says nothing of it."""
WORDS: Mapping[str, bool] = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def terms_of(image: Image) -> Terms:
    """As Nova's images say it."""
    said = image.properties
    return Terms(
        is_there=WORDS.get(said.get("xenapi_use_agent", "").lower()),
        takes_key=not WORDS.get(said.get("xenapi_skip_agent_inject_ssh", "").lower(), False),
        takes_files=not WORDS.get(said.get("xenapi_skip_agent_inject_files_at_boot", "").lower(), False),
        os=said.get("os_type", "linux"),
        architecture=said.get("architecture", "x86_64"),
    )


def mark_of(image: Image) -> dict[str, str]:
    """What a VM's ``other_config`` keeps of the terms, for later readers: nothing when the image says nothing."""
    terms = terms_of(image)
    return {} if terms == UNSAID else {marks.AGENT: json.dumps(to_json(terms), sort_keys=True)}


def terms_in(record: Mapping[str, Any]) -> Terms:
    """The terms that a VM was built on. Those that somebody has spoilt are none."""
    try:
        return from_json(json.loads(record["other_config"].get(marks.AGENT, "{}")), Terms)
    except (ValueError, msgspec.ValidationError):
        return UNSAID
