"""Flavors and key pairs: kept at the top of the tree; a server takes its own copies along, so that no cell below needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from uuid import UUID

from sqlalchemy import Connection

from compute_core.cells.keys import fingerprint, make_key
from compute_core.model.clock import Clock
from compute_core.model.errors import Forbidden, Invalid, NotFound
from compute_core.model.flavors import DEFAULT_FLAVORS, Flavor
from compute_core.model.keypairs import KeyPair
from compute_core.model.limits import UNLIMITED
from compute_core.model.requests import RequestContext
from compute_core.store import flavors, keypairs
from compute_core.store.port import Store


def must_be_admin(context: RequestContext) -> None:
    """Raises Forbidden for anybody else."""
    if not context.is_admin:
        raise Forbidden("Policy doesn't allow this to be performed.")


class Flavors:
    """The sizes on offer."""

    def __init__(self, store: Store, chance: Random) -> None:
        self._store = store
        self._chance = chance

    async def open(self) -> None:
        """Put the usual flavors into an empty catalogue."""
        await self._store.run(flavors.add_missing, DEFAULT_FLAVORS)

    async def list_flavors(self, context: RequestContext) -> tuple[Flavor, ...]:
        """See the port."""
        return tuple(flavor for flavor in await self._store.run(flavors.listed) if flavor.is_public or context.is_admin)

    async def get_flavor(self, context: RequestContext, flavor_id: str) -> Flavor:
        """See the port."""
        flavor = await self._store.run(flavors.get, flavor_id)
        if not flavor.is_public and not context.is_admin:
            raise NotFound.of("Flavor", flavor_id)
        return flavor

    async def create_flavor(self, context: RequestContext, flavor: Flavor) -> Flavor:
        """See the port."""
        must_be_admin(context)
        named = flavor if flavor.id else replace(flavor, id=str(UUID(int=self._chance.getrandbits(128), version=4)))
        await self._store.run(flavors.add, named)
        return named

    async def delete_flavor(self, context: RequestContext, flavor_id: str) -> None:
        """See the port."""
        must_be_admin(context)
        await self._store.run(flavors.remove, flavor_id)

    async def set_extra_specs(self, context: RequestContext, flavor_id: str, specs: Mapping[str, str]) -> Mapping[str, str]:
        """See the port."""
        must_be_admin(context)
        return await self._store.run(_add_specs, flavor_id, specs)

    async def delete_extra_spec(self, context: RequestContext, flavor_id: str, key: str) -> None:
        """See the port."""
        must_be_admin(context)
        await self._store.run(_remove_spec, flavor_id, key)


class KeyPairs:
    """Users' keys. ``limit``: how many one user may have."""

    def __init__(self, store: Store, clock: Clock, limit: int) -> None:
        self._store = store
        self._clock = clock
        self._limit = limit

    async def list_keypairs(self, context: RequestContext) -> tuple[KeyPair, ...]:
        """See the port."""
        return await self._store.run(keypairs.listed, context.user_id)

    async def get_keypair(self, context: RequestContext, name: str) -> KeyPair:
        """See the port."""
        return await self._store.run(keypairs.get, context.user_id, name)

    async def create_keypair(
        self, context: RequestContext, name: str, public_key: str | None = None, kind: str = "ssh"
    ) -> tuple[KeyPair, str | None]:
        """See the port. Certificates (x509) are for Windows guests, which this cloud does not prepare: Invalid."""
        if kind != "ssh":
            raise Invalid(f"Keypair type {kind} is not supported: use ssh.")
        public, private = make_key() if public_key is None else (public_key, None)
        pair = KeyPair(name, context.user_id, public, fingerprint(public), self._clock.iso(), kind)
        await self._store.run(_add_keypair, pair, self._limit)
        return pair, private

    async def delete_keypair(self, context: RequestContext, name: str) -> None:
        """See the port."""
        await self._store.run(keypairs.remove, context.user_id, name)


def _add_keypair(connection: Connection, pair: KeyPair, limit: int) -> None:
    if limit != UNLIMITED and keypairs.count(connection, pair.user_id) >= limit:
        raise Forbidden("Quota exceeded, too many key pairs.")
    keypairs.add(connection, pair)


def _add_specs(connection: Connection, flavor_id: str, specs: Mapping[str, str]) -> Mapping[str, str]:
    every = {**flavors.get(connection, flavor_id).extra_specs, **specs}
    flavors.set_extra_specs(connection, flavor_id, every)
    return every


def _remove_spec(connection: Connection, flavor_id: str, key: str) -> None:
    specs = flavors.get(connection, flavor_id).extra_specs
    if key not in specs:
        raise NotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")
    flavors.set_extra_specs(connection, flavor_id, {name: value for name, value in specs.items() if name != key})
