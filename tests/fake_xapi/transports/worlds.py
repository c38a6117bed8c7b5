"""A host with local storage, for tests of what transports show of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from fake_xapi.datamodel.personality import personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.ids import Id
from fake_xapi.state.value import Value
from fake_xapi.state.world import World

GB = 1 << 30
MB = 1 << 20


@dataclass
class Host:
    """A XAPI, a session on it, and its SR."""

    xapi: Xapi
    session: str
    sr: Id

    def vdi(self, size: int, **fields: Any) -> str:
        """A VDI without content; its ref."""
        with self.xapi.world.edit() as edit:
            vdi = edit.create("VDI", SR=self.sr, virtual_size=size, managed=True, type="user", sm_config={"vdi_type": "vhd"}, **fields)
        self.xapi.disks.create(vdi, size)
        return self.xapi.world.ref(vdi)

    def id(self, ref: str) -> Id:
        return self.xapi.world.find_ref(ref)

    def content(self, ref: str) -> bytes:
        return self.xapi.disks.read(self.id(ref), 0, self.xapi.disks[self.id(ref)].size)

    async def call(self, method: str, *params: Any) -> Any:
        answer = self.xapi.dispatch(method, [self.session, *params])
        return await answer if asyncio.iscoroutine(answer) else answer

    def task_record(self, ref: str) -> dict[str, Any]:
        names = ("status", "progress", "result", "error_info")
        row = self.xapi.world[self.id(ref)]
        return {name: row[name] for name in names}


async def host(release: str = "latest", sr_size: int = 10 * GB, disks: DiskStore | None = None) -> Host:
    """A fresh host, logged in. Call it on a running loop, and ``xapi.close`` at the end."""
    world = World(Value.empty(), "7", personality(release))
    with world.edit() as edit:
        edit.create("pool")
        me = edit.create("host", name_label="h", hostname="h", enabled=True)
        sr = edit.create("SR", type="ext", name_label="Local storage", content_type="user", physical_size=sr_size)
        edit.create("PBD", host=me, SR=sr, currently_attached=True)
    xapi = Xapi(world, me, disks or DiskStore(), Settings())
    session = xapi.dispatch("session.login_with_password", ["root", "xenroot"])
    return Host(xapi, await session if asyncio.iscoroutine(session) else session, sr)
