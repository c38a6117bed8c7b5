"""Which version of the Compute API one request speaks: read from its headers, told in the reply's."""

from __future__ import annotations

import re
from collections.abc import Mapping

import microversion_parse

from compute_core.model.errors import ComputeError, Invalid

MINIMUM, MAXIMUM = 1, 87
"""2.1 to 2.87: the last release whose own tree had a XenAPI driver."""
LEGACY_HEADER = "X-OpenStack-Nova-API-Version"
HEADER = "OpenStack-API-Version"

_FORM = re.compile(r"([1-9]\d*)\.([1-9]\d*|0)")


class NotAcceptable(ComputeError):
    """A version that this API does not speak."""

    status = 406
    name = "computeFault"


def of_request(headers: Mapping[str, str]) -> int:
    """The minor version that the request asks for; 2.1 when it says nothing. Invalid when malformed, NotAcceptable when unknown."""
    text = _asked(headers)
    if text is None:
        return MINIMUM
    if text == "latest":
        return MAXIMUM
    form = _FORM.fullmatch(text)
    if form is None:
        raise Invalid(f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.")
    major, minor = int(form[1]), int(form[2])
    if major != 2 or not MINIMUM <= minor <= MAXIMUM:
        raise NotAcceptable(f"Version {text} is not supported by the API. Minimum is 2.{MINIMUM} and maximum is 2.{MAXIMUM}.")
    return minor


def of_reply(minor: int) -> list[tuple[str, str]]:
    """The headers that say which version has answered."""
    return [(HEADER, f"compute 2.{minor}"), (LEGACY_HEADER, f"2.{minor}"), ("Vary", f"{HEADER}, {LEGACY_HEADER}")]


def _asked(headers: Mapping[str, str]) -> str | None:
    folded = {name.lower(): value.strip() for name, value in headers.items()}
    text: str | None = microversion_parse.get_version(folded, "compute", legacy_headers=[LEGACY_HEADER])
    return text or None
