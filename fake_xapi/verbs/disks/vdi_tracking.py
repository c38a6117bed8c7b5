"""Changed block tracking: which disks are tracked, which disk's changes a log records, and what differs between two tracked disks.

Each log records the changes since the disk that it follows. A snapshot takes over the log of its disk, which begins a new one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.dom0.disks import Disk, DiskStore
from fake_xapi.lifecycle.vbd import is_plugged
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import chains, media, storage
from fake_xapi.verbs.disks.media import Holder
from fake_xapi.verbs.disks.sm_errors import sm_failure

TRACKED_BYTES = 64 << 10
"""The size of the block for which one bit stands."""
NO_CONTENT = "/No content: this is a cbt_metadata VDI/"
PATIENCE_S = 4.0
_POLL_S = 0.5
_PER_BLOCK = BLOCK_BYTES // TRACKED_BYTES // 8


# ---- the logs --------------------------------------------------------------------------------------------------------------------


def _logs(store: Holder, sr: Id) -> dict[str, str]:
    """The tracked disks of an SR: by uuid, the disk that the log of each follows, "" for the first."""
    on = media.shelf(store, store.world[sr]["type"])
    medium = media.find(on, store.world.uuid(sr))
    return dict(on.world[medium]["tracked"]) if medium else {}


def _keep(store: Holder, sr: Id, logs: Mapping[str, str]) -> None:
    sr_type: str = store.world[sr]["type"]
    on, uuid = media.shelf(store, sr_type), store.world.uuid(sr)
    with on.world.edit() as edit:
        medium = media.find(on, uuid) or edit.create("medium", sr_uuid=uuid, sr_type=sr_type)
        edit.set(medium, tracked=dict(logs))


def begin(store: Holder, vdi: Id) -> None:
    """Begin a log that follows none."""
    sr: Id = store.world[vdi]["SR"]
    _keep(store, sr, {**_logs(store, sr), store.world.uuid(vdi): ""})


def hand_over(store: Holder, vdi: Id, snapshot: Id) -> None:
    """Hand a disk's log to its snapshot; the disk begins a new log that follows it."""
    sr: Id = store.world[vdi]["SR"]
    logs, mine, its = _logs(store, sr), store.world.uuid(vdi), store.world.uuid(snapshot)
    _keep(store, sr, {**logs, its: logs.get(mine, ""), mine: its})


def give_up(store: Holder, vdi: Id, *, is_merged: bool) -> None:
    """Drop a log. The log that follows it then includes its changes (``is_merged``, for a destroyed disk), or else begins anew."""
    sr: Id = store.world[vdi]["SR"]
    logs, mine = _logs(store, sr), store.world.uuid(vdi)
    if mine not in logs:
        return
    followed = logs.pop(mine)
    before = followed if is_merged else ""
    _keep(store, sr, {uuid: before if follows == mine else follows for uuid, follows in logs.items()})


def is_related(store: Holder, vdi_from: Id, vdi_to: Id) -> bool:
    """Whether all the logs from one disk to a later one exist."""
    logs, wanted = _logs(store, store.world[vdi_to]["SR"]), store.world.uuid(vdi_from)
    current = store.world.uuid(vdi_to)
    while current != wanted and logs.get(current):
        current = logs[current]
    return current == wanted and wanted in logs


# ---- the verbs -------------------------------------------------------------------------------------------------------------------


async def enable_cbt(call: Call, vdi: Id) -> None:
    """Start to track changed blocks; does nothing when they are tracked already. SR_HAS_NO_PBDS [sr]."""
    storage.assert_reachable(call, call.world[vdi]["SR"])
    async with call.operating((call.world[vdi]["SR"], "vdi_enable_cbt")):
        await call.takes("VDI.enable_cbt")
        if not call.world[vdi]["cbt_enabled"]:
            begin(call, vdi)
            with call.world.edit() as edit:
                edit.set(vdi, cbt_enabled=True)


async def disable_cbt(call: Call, vdi: Id) -> None:
    """Stop tracking and drop the log; comparisons with this disk are no longer possible. SR_HAS_NO_PBDS [sr]."""
    storage.assert_reachable(call, call.world[vdi]["SR"])
    async with call.operating((call.world[vdi]["SR"], "vdi_disable_cbt")):
        await call.takes("VDI.disable_cbt")
        give_up(call, vdi, is_merged=False)
        with call.world.edit() as edit:
            edit.set(vdi, cbt_enabled=False)


async def data_destroy(call: Call, vdi: Id) -> None:
    """Destroy the content of a snapshot but keep the record of its changed blocks.

    SR_HAS_NO_PBDS [sr]; VDI_IN_USE when it stays plugged for four seconds.
    """
    sr: Id = call.world[vdi]["SR"]
    storage.assert_reachable(call, sr)
    async with call.operating((sr, "vdi_data_destroy")):
        await _until_unplugged(call, vdi)
        await call.takes("VDI.destroy")
        with call.world.edit() as edit:
            empty(call, edit, vdi)
    chains.collect_later(call, sr, vdi)


async def _until_unplugged(call: Call, vdi: Id) -> None:
    waited_s = 0.0
    while any(is_plugged(call.world[vbd]) for vbd in call.world[vdi]["VBDs"]):
        if waited_s >= PATIENCE_S:
            raise Failure("VDI_IN_USE", Handle(vdi), "data_destroy")
        await call.wait(_POLL_S)
        waited_s += _POLL_S


def empty(store: Holder, edit: Edit, vdi: Id) -> None:
    """Reduce a disk to its log. Which blocks it had is remembered, since later changes are measured against it."""
    row = edit[vdi]
    other_config = {**row["other_config"], "content_id": NO_CONTENT}
    config = {key: value for key, value in row["sm_config"].items() if key != chains.PARENT}
    edit.set(vdi, type="cbt_metadata", other_config=other_config, sm_config=config)
    storage.measure(store, edit, vdi)


async def list_changed_blocks(call: Call, vdi_from: Id, vdi_to: Id) -> str:
    """The differences between two tracked disks as a bitmap in base64: one bit per 64 KiB, the highest bit of the first byte first.

    SR_HAS_NO_PBDS [sr]; SR_BACKEND_FAILURE_460 when no chain of logs leads from one to the other.
    """
    storage.assert_reachable(call, call.world[vdi_to]["SR"])
    async with call.operating((vdi_to, "list_changed_blocks"), (call.world[vdi_to]["SR"], "vdi_list_changed_blocks")):
        await call.takes("VDI.list_changed_blocks")
        first, second = call.disks.get(vdi_from), call.disks.get(vdi_to)
        if first is None or second is None or not is_related(call, vdi_from, vdi_to):
            raise sm_failure(460, "Source and target VDI are unrelated")
        return base64.b64encode(bitmap(call.disks, first, second)).decode()


def bitmap(disks: DiskStore, first: Disk, second: Disk) -> bytes:
    """One bit for each 64 KiB of the second disk: whether it differs from the first."""
    found = bytearray(-(-second.size // BLOCK_BYTES) * _PER_BLOCK)
    for number in second.changed_since(first):
        bits = _changed(disks.block(first, number), disks.block(second, number))
        if number * _PER_BLOCK < len(found):
            found[number * _PER_BLOCK : (number + 1) * _PER_BLOCK] = bits
    return bytes(found[: -(-second.size // TRACKED_BYTES // 8)])


def _changed(before: bytes, after: bytes) -> bytes:
    parts = range(0, BLOCK_BYTES, TRACKED_BYTES)
    return _packed(before[start : start + TRACKED_BYTES] != after[start : start + TRACKED_BYTES] for start in parts)


def _packed(bits: Iterable[bool]) -> bytes:
    return int("".join("01"[bit] for bit in bits), 2).to_bytes(_PER_BLOCK, "big")


VERBS: Mapping[str, Verb] = {
    "VDI.enable_cbt": enable_cbt,
    "VDI.disable_cbt": disable_cbt,
    "VDI.data_destroy": data_destroy,
    "VDI.list_changed_blocks": list_changed_blocks,
}
