"""An iSCSI target on a host: an SR that is introduced under a uuid made of the target, and its PBD. One SR holds all LUNs of the target.

So whoever looks for it finds it again, after a crash too, and under the same uuid where Nova's driver had introduced it. It goes with the
last of its disks that a VM has. What is done with one target takes turns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from compute_core.model.volumes import Connection, Target
from compute_core.xenapi.certainty import all_of, any_of, certain, one_of
from compute_core.xenapi.errors import ReplyLost, TransferFailed, XenApiFailure
from compute_core.xenapi.locks import KeyedLocks
from compute_core.xenapi.place import NULL
from compute_core.xenapi.session import XenApi

NAMESPACE = UUID("3cca4135-a809-5bb3-af62-275fbfe87178")
"""Of the uuids of such SRs: the one that Nova's driver has used since 2014."""
VOLUMES_OF = "volumes of "
"""How the descriptions of such SRs begin."""
GONE = frozenset({"HANDLE_INVALID", "UUID_INVALID"})


def sr_uuid(target: Target) -> str:
    """The SR of a target, on every pool the same."""
    return str(uuid5(NAMESPACE, f"{target.address}/{target.port}/{target.iqn}"))


def secret_uuid(target: Target) -> str:
    """The secret that holds its password."""
    return _secret_of(sr_uuid(target))


def sr_label(uuid: str) -> str:
    """The name_label of such an SR: the one that Nova's driver gives."""
    return f"tempSR-{uuid}"


def is_ours(sr: Mapping[str, Any]) -> bool:
    """Whether an SR was introduced here. Nova's driver gives the same name, and another description."""
    return bool(sr["name_label"] == sr_label(sr["uuid"]) and sr["name_description"].startswith(VOLUMES_OF))


def _secret_of(uuid: str) -> str:
    return str(uuid5(UUID(uuid), "chap"))


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of one host, which is ``host`` by its ref."""

    host: str
    _locks: KeyedLocks = field(default_factory=KeyedLocks)
    _held: dict[str, tuple[Target, ...]] = field(default_factory=dict)
    _left: set[str] = field(default_factory=set)

    @property
    def is_untidy(self) -> bool:
        """Whether one could not be forgotten since somebody last looked for what is of no use."""
        return bool(self._left)

    def hold(self, who: str, targets: Sequence[Target]) -> None:
        """Keep these until the server ``who`` is here, whose VM will have their disks."""
        self._held[who] = tuple(targets)

    def let_go(self, who: str) -> tuple[Target, ...]:
        """Keep them no more for its sake; what was kept."""
        return self._held.pop(who, ())

    @asynccontextmanager
    async def turn(self, target: Target) -> AsyncIterator[None]:
        """Hold a target: between its connection and its disk's first VBD, nobody takes it for unused."""
        async with self._locks.held(sr_uuid(target)):
            yield

    async def disk(self, xapi: XenApi, connection: Connection) -> str:
        """The VDI of a LUN, its target connected: four calls for one that is new here, one more with CHAP. Again is fine."""
        return (await self.connected(xapi, connection))[1]

    async def connected(self, xapi: XenApi, connection: Connection) -> tuple[str, str]:
        """As ``disk``: the SR of the target, and the VDI."""
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
        return sr, found

    async def release(self, xapi: XenApi, target: Target) -> None:
        """Forget the target when no VM here has a disk of it, and none will: five calls. Absent is fine."""
        if any(sr_uuid(each) == sr_uuid(target) for held in self._held.values() for each in held):
            return
        self._left.add(sr_uuid(target))
        for sr, record in (await all_of(xapi, "SR", {"uuid": sr_uuid(target)})).items():
            await self._forget_unused(xapi, sr, record)
        self._left.discard(sr_uuid(target))
        if target.asks_login and await one_of(xapi, "SR", {"uuid": sr_uuid(target)}) is None:
            await _forget_secret(xapi, secret_uuid(target))

    async def sweep(self, xapi: XenApi) -> None:
        """Forget whatever targets are of no use here, as agents that were killed have left them: two calls, and those of each."""
        held = {sr_uuid(each) for targets in self._held.values() for each in targets}
        own = {pbd["SR"] for pbd in (await all_of(xapi, "PBD", {"host": self.host})).values()}
        for sr, record in (await all_of(xapi, "SR", {"type": "iscsi"})).items():
            uuid = record["uuid"]
            if is_ours(record) and uuid not in held and (sr in own or not record["PBDs"]):
                await self.forget(xapi, sr, record)
        self._left.clear()

    def is_held(self, uuid: str) -> bool:
        """Whether somebody connects, releases or waits for the target of an SR."""
        return self._locks.is_held(uuid) or any(sr_uuid(each) == uuid for targets in self._held.values() for each in targets)

    async def forget(self, xapi: XenApi, sr: str, record: Mapping[str, Any]) -> None:
        """Forget a target, and its password, when no VM here has a disk of it: by its SR."""
        async with self._locks.held(record["uuid"]):
            await self._forget_unused(xapi, sr, record)
            if await one_of(xapi, "SR", {"uuid": record["uuid"]}) is None:
                await _forget_secret(xapi, _secret_of(record["uuid"]))

    async def _forget_unused(self, xapi: XenApi, sr: str, record: Mapping[str, Any]) -> None:
        vdis = await all_of(xapi, "VDI", {"SR": sr})
        used = [vdi for vdi, row in vdis.items() if row["VBDs"]]
        if not used or (len(record["PBDs"]) > 1 and not await self._has_disk(xapi, used)):
            await self._forget(xapi, sr)

    async def _has_disk(self, xapi: XenApi, vdis: Sequence[str]) -> bool:
        """Whether a VM at home on this host has one of them: one call, and one for each VM."""
        vbds = await any_of(xapi, "VBD", [("VDI", vdi) for vdi in vdis])
        for vm in dict.fromkeys(vbd["VM"] for vbd in vbds.values()):
            record = await xapi.call("VM.get_record", vm)
            if self.host == (record["affinity"] if record["resident_on"] == NULL else record["resident_on"]):
                return True
        return False

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
        record = [uuid, sr_label(uuid), f"{VOLUMES_OF}{target.iqn} at {target.address}:{target.port}", "iscsi", "", True, {}]
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


async def _forget_secret(xapi: XenApi, uuid: str) -> None:
    secret = await one_of(xapi, "secret", {"uuid": uuid})
    if secret is not None:
        await gone("secret.destroy", xapi, secret)
