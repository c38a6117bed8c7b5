"""What an operator asks of hosts, whichever cell has them, and has done there. At the top; see the port for each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from compute_core.cells.catalogue import must_be_admin
from compute_core.cells.host_questions import LONG_S
from compute_core.cells.routing import Router
from compute_core.images.port import ImageStore
from compute_core.model.errors import HostUnreachable, Invalid, NotFound
from compute_core.model.images import Image
from compute_core.model.json import from_json, to_json
from compute_core.model.requests import RequestContext
from compute_core.model.usage import HostUsage

log = logging.getLogger(__name__)


class HostOperations:
    """``timeout_s`` bounds what a host does at once, ``look_s`` what a cell knows itself."""

    def __init__(self, router: Router, paths: Sequence[str], images: ImageStore, timeout_s: float, look_s: float) -> None:
        self._router = router
        self._paths = paths
        self._images = images
        self._timeout_s = timeout_s
        self._look_s = look_s

    async def list_usages(self, context: RequestContext, host: str | None = None) -> tuple[HostUsage, ...]:
        """See the port."""
        must_be_admin(context)
        asked = {"hosts": None if host is None else [host]}
        answers = await asyncio.gather(*(self._of_cell(path, "list_usages", asked) for path in self._paths))
        return tuple(from_json(usage, HostUsage) for usages in answers for usage in usages)

    async def ask_host(self, context: RequestContext, host: str, question: str, **arguments: Any) -> Any:
        """See the port."""
        must_be_admin(context)
        asked = {"context": to_json(context), "host": host, "question": question, "arguments": arguments}
        for path in self._paths:
            try:
                return await self._router.call(path, "query_host", asked, LONG_S.get(question, self._timeout_s))
            except NotFound:
                continue
        raise NotFound.of("Host", host)

    async def cache_images(self, context: RequestContext, hosts: Sequence[str], image_ids: Sequence[str]) -> tuple[str, ...]:
        """See the port."""
        must_be_admin(context)
        images = [to_json(await self._image(image_id)) for image_id in image_ids]
        asked = {"context": to_json(context), "hosts": list(hosts), "images": images}
        answers = await asyncio.gather(*(self._of_cell(path, "cache_images", asked) for path in self._paths))
        return tuple(sorted(host for told in answers for host in told))

    async def _image(self, image_id: str) -> Image:
        try:
            image = await self._images.get(image_id)
        except NotFound as absence:
            raise Invalid(absence.message) from absence
        if image.status != "active":
            raise Invalid(f"Image {image_id} is {image.status}: there is nothing to be kept yet.")
        return image

    async def _of_cell(self, path: str, method: str, arguments: Mapping[str, Any]) -> Any:
        """What a cell says; nothing of one that is mute."""
        try:
            return await self._router.call(path, method, arguments, self._look_s)
        except HostUnreachable as absence:
            log.warning("%s is left out: %s", path, absence.message)
            return ()
