"""The wire to a Cinder: JSON over HTTP with a token of Keystone's, or a fixed one. The library blocks, so each request has a thread.

Of the extra ``openstack``, which who has volumes of the core's own need not have.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keystoneauth1 import exceptions, service_token, token_endpoint
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from compute_core.model.errors import ComputeError, Conflict, HostUnreachable, NotFound

MICROVERSION = "3.44"
"""Since this one an attachment can be said to be complete."""
TIMEOUT_S = 60.0

REFUSALS: Mapping[int, type[ComputeError]] = {404: NotFound, 400: Conflict, 409: Conflict, 413: Conflict}
"""What answers mean; any other one is as bad as none."""


class BadService(ValueError):
    """A file about Cinder that cannot be read; the message names it, what is wrong, and the cure."""


@dataclass(frozen=True, slots=True)
class CinderAccount:
    """Who the core is to Keystone, which knows Cinder's address; with an ``endpoint`` and a ``token`` nobody is asked."""

    auth_url: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    project_name: str = "service"
    user_domain_name: str = "Default"
    project_domain_name: str = "Default"
    region_name: str | None = None
    interface: str = "internal"
    endpoint: str = ""
    token: str = field(default="", repr=False)


def read_account(path: Path) -> CinderAccount:
    """The account that a JSON file describes, with the members of ``CinderAccount``. BadService."""
    try:
        told = json.loads(path.read_bytes())
        account = CinderAccount(**told)
    except (OSError, ValueError, TypeError) as problem:
        raise BadService(f"{path}: {problem}. Cure: write an object with auth_url, username and password.") from None
    if not (account.auth_url or (account.endpoint and account.token)):
        raise BadService(f"{path}: neither auth_url nor endpoint and token. Cure: write one or the other.")
    return account


class CinderWire:
    """One Cinder."""

    __slots__ = ("_adapter",)

    def __init__(self, account: CinderAccount) -> None:
        auth = _auth(account)
        self._adapter = Adapter(
            Session(auth=service_token.ServiceTokenAuthWrapper(user_auth=auth, service_auth=auth), timeout=TIMEOUT_S),
            service_type="block-storage",
            interface=account.interface,
            region_name=account.region_name,
            default_microversion=MICROVERSION,
            raise_exc=False,
        )

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON, None for an empty one. NotFound, Conflict in Cinder's words; HostUnreachable."""
        return await asyncio.to_thread(self._call, method, path, body)

    def _call(self, method: str, path: str, body: Any) -> Any:
        try:
            reply = self._adapter.request(path, method, json=body)
        except (exceptions.ClientException, OSError) as problem:
            raise HostUnreachable(f"Cinder does not answer {method} {path}: {problem}") from problem
        if reply.status_code < 300:
            return reply.json() if reply.content else None
        words = _words(reply.text) or f"Cinder says {reply.status_code} to {method} {path}"
        raise REFUSALS.get(reply.status_code, HostUnreachable)(words)


def _auth(account: CinderAccount) -> Any:
    if account.endpoint:
        return token_endpoint.Token(account.endpoint, account.token)
    return v3.Password(
        auth_url=account.auth_url,
        username=account.username,
        password=account.password,
        project_name=account.project_name,
        user_domain_name=account.user_domain_name,
        project_domain_name=account.project_domain_name,
    )


def _words(text: str) -> str:
    """The message of an answer that refuses, as OpenStack writes it."""
    try:
        ((_, fault),) = json.loads(text).items()
        return str(fault["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
