"""Tokens: asked for, looked at, ended; and the catalog of services that comes with them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from compute_core.api.call import Call, Reply
from compute_core.identity.port import DOMAIN_ID, DOMAIN_NAME, Credentials, Project, Scope, Token, Unauthorized
from compute_core.model.errors import Forbidden, NotFound

_NAMESPACE = uuid.UUID("0c1d7f3e-3a53-5d8b-8d0a-6f0a9f0c7c55")
_DOMAIN = {"id": DOMAIN_ID, "name": DOMAIN_NAME}

CATALOG: tuple[tuple[str, str, str], ...] = (
    ("compute", "nova", "/v2.1"),
    ("identity", "keystone", "/identity"),
    ("image", "glance", "/image"),
    ("network", "neutron", "/network"),
    ("volumev3", "cinderv3", "/volume/v3"),
)
"""Type, name and place of every service here."""


def _id(kind: str, name: str) -> str:
    return uuid.uuid5(_NAMESPACE, f"{kind}:{name}").hex


def _date(date: datetime) -> str:
    return date.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def catalog_of(call: Call) -> list[dict[str, Any]]:
    """The catalog, with the address by which the client has come."""
    region = call.services.region
    return [
        {
            "id": _id("service", kind),
            "type": kind,
            "name": name,
            "endpoints": [
                {
                    "id": _id("endpoint", f"{kind}:{interface}"),
                    "interface": interface,
                    "region": region,
                    "region_id": region,
                    "url": call.host_url + place,
                }
                for interface in ("public", "internal", "admin")
            ],
        }
        for kind, name, place in CATALOG
        if place != "/volume/v3" or call.services.volumes is not None
    ]


def project_of(project: Project) -> dict[str, Any]:
    """A project as a token shows it."""
    return {"id": project.id, "name": project.name, "domain": _DOMAIN}


def _shown(call: Call, token: Token) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "methods": list(token.methods),
        "user": {"id": token.user.id, "name": token.user.name, "domain": _DOMAIN, "password_expires_at": None},
        "audit_ids": [token.audit_id],
        "issued_at": _date(token.issued_at),
        "expires_at": _date(token.expires_at),
    }
    if token.project is not None:
        answer["project"] = project_of(token.project)
        answer["is_domain"] = False
        answer["roles"] = [{"id": _id("role", name), "name": name} for name in token.roles]
        if call.query.get("nocatalog") is None:
            answer["catalog"] = catalog_of(call)
    return {"token": answer}


def _domain_fits(named: dict[str, Any]) -> bool:
    domain = named.get("domain")
    return domain is None or domain.get("id") == DOMAIN_ID or domain.get("name") == DOMAIN_NAME


def _credentials(body: dict[str, Any]) -> Credentials:
    asked = body["auth"]
    identity, scope = asked["identity"], asked.get("scope", "unscoped")
    project = scope.get("project") if isinstance(scope, dict) else None
    wanted = None if project is None else Scope(project.get("id"), project.get("name"))
    user = identity.get("password", {}).get("user", {})
    if not _domain_fits(user) or not _domain_fits(project or {}):
        raise Unauthorized("The request you have made requires authentication.")
    if "password" in identity["methods"] and user:
        return Credentials(user.get("id"), user.get("name"), user["password"], scope=wanted)
    return Credentials(token=identity.get("token", {}).get("id", ""), scope=wanted)


async def issue(call: Call) -> Reply:
    """A token for whoever proves who they are."""
    secret, token = await call.services.identity.issue(_credentials(call.body))
    return Reply(_shown(call, token), headers={"X-Subject-Token": secret})


async def _subject(call: Call) -> tuple[str, Token]:
    secret = call.headers.get("X-Subject-Token", "")
    try:
        token = await call.services.identity.validate(secret)
    except Unauthorized:
        raise NotFound("Could not find token.") from None
    if token.user.id != call.context.user_id and not call.context.is_admin:
        raise Forbidden("You are not authorized to perform the requested action: identity:validate_token.")
    return secret, token


async def show(call: Call) -> Reply:
    """What a token stands for: one's own, or any for an admin."""
    secret, token = await _subject(call)
    return Reply(_shown(call, token), headers={"X-Subject-Token": secret})


async def revoke(call: Call) -> None:
    """End a token."""
    secret, _ = await _subject(call)
    await call.services.identity.revoke(secret)


async def catalog(call: Call) -> dict[str, Any]:
    """The catalog by itself."""
    return {"catalog": catalog_of(call), "links": {"self": f"{call.base_url}/v3/auth/catalog", "previous": None, "next": None}}
