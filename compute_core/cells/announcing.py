"""What a compute cell tells its parent: the newest state of its instances, at least once each, and the room that it has left."""

from __future__ import annotations

import asyncio
import logging

from compute_core.cells.capacity import capacity_of
from compute_core.cells.host_table import HostTable
from compute_core.cells.ledger import Ledger
from compute_core.cells.routing import Router, parent_of, top_of
from compute_core.cells.settings import ComputeCellSettings
from compute_core.model.errors import HostUnreachable
from compute_core.model.json import to_json
from compute_core.store import outbox

log = logging.getLogger(__name__)


class Announcing:
    """The voice of one compute cell."""

    def __init__(self, settings: ComputeCellSettings, ledger: Ledger, table: HostTable, router: Router) -> None:
        self._settings = settings
        self._ledger = ledger
        self._table = table
        self._router = router
        self._top = top_of(settings.path)

    async def empty_outbox(self) -> None:
        """Wait for news and send them; one batch at a time, until none is left."""
        await self._ledger.has_news.wait()
        await asyncio.sleep(self._settings.outbox_gather_s)
        self._ledger.has_news.clear()
        try:
            while await self._send_batch():
                pass
        except HostUnreachable as absence:
            log.warning("%s does not hear the news: %s", self._top, absence.message)
            self._ledger.has_news.set()
            await asyncio.sleep(self._settings.outbox_retry_s)

    async def announce_capacity(self) -> None:
        """Say how much room there is."""
        room = to_json(capacity_of(self._table.nodes(), self._table.ranking.ratios))
        try:
            await self._router.cast(parent_of(self._settings.path), "capacity", {"cell": self._settings.path, "room": room})
        except HostUnreachable as absence:
            log.warning("capacity is not announced: %s", absence.message)

    async def _send_batch(self) -> bool:
        """Whether there may be more."""
        news = await self._ledger.store.run(outbox.oldest, self._settings.outbox_batch)
        if not news:
            return False
        updates = [{"seq": instance.update_seq, "instance": to_json(instance)} for instance in news]
        arguments = {"cell": self._settings.path, "updates": updates}
        heard = await self._router.call(self._top, "updates", arguments, self._settings.call_timeout_s)
        await self._ledger.store.run(outbox.acknowledge, [(uuid, seq) for uuid, seq in heard])
        return len(news) == self._settings.outbox_batch
