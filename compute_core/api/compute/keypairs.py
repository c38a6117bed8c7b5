"""Key pairs of the caller."""

from __future__ import annotations

import zlib
from typing import Any

from compute_core.api.call import Call
from compute_core.api.paging import MAX_PAGE, next_link, page
from compute_core.model.errors import Forbidden
from compute_core.model.keypairs import KeyPair


def _shown(call: Call, pair: KeyPair) -> dict[str, Any]:
    answer = {"name": pair.name, "public_key": pair.public_key, "fingerprint": pair.fingerprint}
    return answer | ({"type": pair.type} if call.version >= 2 else {})


def _refuse_others(call: Call, user_id: str | None) -> None:
    if user_id is not None and user_id != call.context.user_id:
        raise Forbidden("Key pairs of other users cannot be managed here.")


async def index(call: Call) -> dict[str, Any]:
    """The caller's key pairs; from 2.35 on in pages."""
    _refuse_others(call, call.query.get("user_id") if call.version >= 10 else None)
    pairs = await call.services.compute.list_keypairs(call.context)
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
    pair = await call.services.compute.get_keypair(call.context, call.path["name"])
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
    _refuse_others(call, asked.get("user_id"))
    pair, private_key = await call.services.compute.create_keypair(
        call.context, asked["name"], asked.get("public_key"), asked.get("type", "ssh")
    )
    private = {} if private_key is None else {"private_key": private_key}
    return {"keypair": {**_shown(call, pair), "user_id": pair.user_id, **private}}


async def delete(call: Call) -> None:
    """Forget one key pair."""
    await call.services.compute.delete_keypair(call.context, call.path["name"])
