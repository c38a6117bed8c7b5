"""A small client of the REST API, for our own commands: log in, read lists whole. Standard library only."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

TIMEOUT_S, LONG_S = 60.0, 960.0
"""So long an answer is waited for, and one that comes after many removals."""
MICROVERSION = "compute 2.87"


class ApiUnavailable(Exception):
    """Nobody answers, or not as it should."""


class Client:
    """One admin, logged in."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    @classmethod
    def log_in(cls, url: str, user: str, project: str, password: str) -> Client:
        """Get a token."""
        domain = {"id": "default"}
        identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
        auth = {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}
        headers, _ = _exchange(f"{url}/identity/v3/auth/tokens", {"Content-Type": "application/json"}, json.dumps({"auth": auth}).encode())
        return cls(url, headers["X-Subject-Token"])

    def pages(self, path: str, member: str) -> list[dict[str, Any]]:
        """Every item of a list, following the links to the next page."""
        found: list[dict[str, Any]] = []
        url: str | None = self._url + path
        while url is not None:
            _, body = _exchange(url, {"X-Auth-Token": self._token, "OpenStack-API-Version": MICROVERSION}, None)
            found += body[member]
            url = next((link["href"] for link in body.get(f"{member}_links", ()) if link["rel"] == "next"), None)
        return found

    def send(self, method: str, path: str, body: Any = None, timeout_s: float = TIMEOUT_S) -> Any:
        """One request; what it is answered with, None when that is nothing."""
        headers = {"X-Auth-Token": self._token, "OpenStack-API-Version": MICROVERSION, "Content-Type": "application/json"}
        return _exchange(self._url + path, headers, None if body is None else json.dumps(body).encode(), method, timeout_s)[1]


def _exchange(
    url: str, headers: Mapping[str, str], content: bytes | None, method: str | None = None, timeout_s: float = TIMEOUT_S
) -> tuple[Mapping[str, str], Any]:  # fmt: skip
    request = urllib.request.Request(url, content, dict(headers), method=method)  # noqa: S310 - http to where our own state says
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - as above
            said = answer.read()
            return answer.headers, json.loads(said) if said else None
    except urllib.error.HTTPError as problem:
        with problem:
            raise ApiUnavailable(f"{url} answered {problem.code}: {problem.read(300).decode(errors='replace')}") from None
    except (urllib.error.URLError, TimeoutError, ValueError) as problem:
        raise ApiUnavailable(f"{url} does not answer ({problem}).") from None
