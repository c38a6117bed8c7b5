"""Key pairs of the caller."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

from compute_core.api.call import Call
from compute_core.api.paging import MAX_PAGE, next_link, page
from compute_core.model.errors import Forbidden
from compute_core.model.keypairs import KeyPair
from compute_core.model.requests import RequestContext

OTHERS_SINCE = 10


def _shown(call: Call, pair: KeyPair) -> dict[str, Any]:
    answer = {"name": pair.name, "public_key": pair.public_key, "fingerprint": pair.fingerprint}
    return answer | ({"type": pair.type} if call.version >= 2 else {})


def _on_behalf(call: Call, user_id: str | None) -> RequestContext:
    """Whose key pairs are meant: the caller's own, or from 2.10 on anybody's when an admin says so."""
    if user_id is None or call.version < OTHERS_SINCE or user_id == call.context.user_id:
        return call.context
    if not call.context.is_admin:
        raise Forbidden("Policy doesn't allow the key pairs of other users to be managed.")
    return replace(call.context, user_id=user_id)


async def index(call: Call) -> dict[str, Any]:
    """The caller's key pairs; from 2.35 on in pages."""
    pairs = await call.services.compute.list_keypairs(_on_behalf(call, call.query.get("user_id")))
    if call.version < 35:
        return {"keypairs": [{"keypair": _shown(call, pair)} for pair in pairs]}
    shown = page(pairs, call.query, lambda pair: pair.name)
    answer: dict[str, Any] = {"keypairs": [{"keypair": _shown(call, pair)} for pair in shown]}
    limit = call.query.get("limit")
    if shown and limit is not None and len(shown) == min(int(limit), MAX_PAGE):
        answer["keypairs_links"] = [{"rel": "next", "href": next_link(call, f"{call.base_url}/os-keypairs", shown[-1].name)}]
    return answer


async def show(call: Call) -> dict[str, Any]:
    """One key pair. Its number is made from its name: nothing else here has one."""
    pair = await call.services.compute.get_keypair(_on_behalf(call, call.query.get("user_id")), call.path["name"])
    return {
        "keypair": {
            **_shown(call, pair),
            "id": zlib.crc32(f"{pair.user_id}/{pair.name}".encode()),
            "user_id": pair.user_id,
            "created_at": pair.created_at.removesuffix("Z") + ".000000",
            "updated_at": None,
            "deleted_at": None,
            "deleted": False,
        }
    }


async def create(call: Call) -> dict[str, Any]:
    """Take a public key, or make a pair; the private key is in this one answer and nowhere else."""
    asked = call.body["keypair"]
    context = _on_behalf(call, asked.get("user_id"))
    pair, private_key = await call.services.compute.create_keypair(
        context, asked["name"], asked.get("public_key"), asked.get("type", "ssh")
    )
    private = {} if private_key is None else {"private_key": private_key}
    return {"keypair": {**_shown(call, pair), "user_id": pair.user_id, **private}}


async def delete(call: Call) -> None:
    """Forget one key pair."""
    await call.services.compute.delete_keypair(_on_behalf(call, call.query.get("user_id")), call.path["name"])
