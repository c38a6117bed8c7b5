"""An iSCSI target on a host: an SR that is introduced under a uuid made of the target, and its PBD. One SR holds all LUNs of the target.

So whoever looks for it finds it again, after a crash too, and under the same uuid where Nova's driver had introduced it. It goes with the
last of its disks that a VM has. What is done with one target takes turns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from compute_core.model.volumes import Connection, Target
from compute_core.xenapi.certainty import all_of, certain, one_of
from compute_core.xenapi.errors import ReplyLost, TransferFailed, XenApiFailure
from compute_core.xenapi.locks import KeyedLocks
from compute_core.xenapi.session import XenApi

NAMESPACE = UUID("3cca4135-a809-5bb3-af62-275fbfe87178")
"""Of the uuids of such SRs: the one that Nova's driver has used since 2014."""
GONE = frozenset({"HANDLE_INVALID", "UUID_INVALID"})


def sr_uuid(target: Target) -> str:
    """The SR of a target, on every pool the same."""
    return str(uuid5(NAMESPACE, f"{target.address}/{target.port}/{target.iqn}"))


def secret_uuid(target: Target) -> str:
    """The secret that holds its password."""
    return str(uuid5(UUID(sr_uuid(target)), "chap"))


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of one host, which is ``host`` by its ref."""

    host: str
    _locks: KeyedLocks = field(default_factory=KeyedLocks)

    @asynccontextmanager
    async def turn(self, target: Target) -> AsyncIterator[None]:
        """Hold a target: between its connection and its disk's first VBD, nobody takes it for unused."""
        async with self._locks.held(sr_uuid(target)):
            yield

    async def disk(self, xapi: XenApi, connection: Connection) -> str:
        """The VDI of a LUN, its target connected: four calls for one that is new here, one more with CHAP. Again is fine."""
        target = connection.target
        sr = await self._introduce(xapi, target)
        if target.asks_login:
            await _keep_secret(xapi, target, connection.password)
        await xapi.call("PBD.plug", await self._pbd(xapi, sr, connection))
        found = await _lun(xapi, sr, target)
        if found is None:  # plugging has found what was there then; the array may have got it since
            await xapi.call("SR.scan", sr)
            found = await _lun(xapi, sr, target)
        if found is None:
            raise TransferFailed(f"target {target.iqn} at {target.address} has no LUN {target.lun}")
        if connection.is_shared:
            await xapi.call("VDI.set_sharable", found, True)
        return found

    async def release(self, xapi: XenApi, target: Target) -> None:
        """Forget the target when no VM has a disk of it: five calls. Absent is fine."""
        for sr in await all_of(xapi, "SR", {"uuid": sr_uuid(target)}):
            vdis = await all_of(xapi, "VDI", {"SR": sr})
            if not any(vdi["VBDs"] for vdi in vdis.values()):
                await self._forget(xapi, sr)
        if target.asks_login and await one_of(xapi, "SR", {"uuid": sr_uuid(target)}) is None:
            await _forget_secret(xapi, target)

    async def _forget(self, xapi: XenApi, sr: str) -> None:
        """Unplugged here; the SR goes where no other host of the pool has it."""
        pbds = await all_of(xapi, "PBD", {"SR": sr})
        own = [pbd for pbd, record in pbds.items() if record["host"] == self.host]
        for pbd in own:
            await gone("PBD.unplug", xapi, pbd)
        if len(pbds) == len(own):
            await gone("SR.forget", xapi, sr)
        else:
            for pbd in own:
                await gone("PBD.destroy", xapi, pbd)

    async def _introduce(self, xapi: XenApi, target: Target) -> str:
        uuid = sr_uuid(target)
        record = [uuid, f"tempSR-{uuid}", f"volumes of {target.iqn} at {target.address}:{target.port}", "iscsi", "", True, {}]
        try:
            return await certain(xapi.call("SR.introduce", *record), lambda: one_of(xapi, "SR", {"uuid": uuid}))
        except XenApiFailure as failure:
            if failure.code != "SR_UUID_EXISTS":
                raise
        known: str = await xapi.call("SR.get_by_uuid", uuid)
        return known

    async def _pbd(self, xapi: XenApi, sr: str, connection: Connection) -> str:
        record = {"host": self.host, "SR": sr, "device_config": device_config(connection), "other_config": {}}
        try:
            return await certain(xapi.call("PBD.create", record), lambda: one_of(xapi, "PBD", {"SR": sr, "host": self.host}))
        except XenApiFailure as failure:
            if failure.code != "PBD_EXISTS":
                raise
            return failure.params[2]


def device_config(connection: Connection) -> dict[str, str]:
    """How a host is told of a target. The password is in a secret."""
    target = connection.target
    config = {"target": target.address, "port": str(target.port), "targetIQN": target.iqn}
    login = {"chapuser": connection.user, "chappassword_secret": secret_uuid(target)} if target.asks_login else {}
    return {**config, **login}


async def gone(method: str, xapi: XenApi, ref: str) -> None:
    """Take something away, which may be gone already. A lost answer is answered by asking again."""
    for is_last in (False, True):
        try:
            await xapi.call(method, ref)
        except ReplyLost:
            if is_last:
                raise
        except XenApiFailure as failure:
            if failure.code not in GONE:
                raise
            return
        else:
            return


async def _lun(xapi: XenApi, sr: str, target: Target) -> str | None:
    vdis: Mapping[str, Any] = await all_of(xapi, "VDI", {"SR": sr})
    return next((ref for ref, vdi in vdis.items() if vdi["sm_config"].get("LUNid") == str(target.lun)), None)


async def _keep_secret(xapi: XenApi, target: Target, password: str) -> None:
    """Under a uuid of the target's. One that is there already may be older than the password."""
    uuid = secret_uuid(target)

    async def kept() -> str | None:
        return await one_of(xapi, "secret", {"uuid": uuid})

    try:
        await certain(xapi.call("secret.introduce", uuid, password, {}), kept)
    except XenApiFailure as failure:
        if failure.code != "DB_UNIQUENESS_CONSTRAINT_VIOLATION":
            raise
        await xapi.call("secret.set_value", await xapi.call("secret.get_by_uuid", uuid), password)


async def _forget_secret(xapi: XenApi, target: Target) -> None:
    secret = await one_of(xapi, "secret", {"uuid": secret_uuid(target)})
    if secret is not None:
        await gone("secret.destroy", xapi, secret)
