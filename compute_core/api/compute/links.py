"""The links that most things of the Compute API carry."""

from __future__ import annotations

from compute_core.api.call import Call


def links_of(call: Call, kind: str, identity: str) -> list[dict[str, str]]:
    """Where the thing is, by version and without."""
    return [
        {"rel": "self", "href": f"{call.base_url}/{kind}/{identity}"},
        {"rel": "bookmark", "href": f"{call.host_url}/{kind}/{identity}"},
    ]
