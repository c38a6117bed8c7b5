"""The passwords of servers' administrators: changed in their guests, kept for the owners of their keys alone. At the top."""

from __future__ import annotations

from compute_core.cells.servers import CellServers
from compute_core.model.json import to_json
from compute_core.model.requests import RequestContext


class ServerPasswords:
    """See the port for each."""

    def __init__(self, servers: CellServers) -> None:
        self._servers = servers

    async def change_password(self, context: RequestContext, uuid: str, admin_password: str) -> None:
        """See the port. It goes to the host by a call, which nobody keeps."""
        encrypted = await self._servers.command(context, uuid, "change_password", admin_password=admin_password)
        await self._keep(context, uuid, encrypted or "", "change_password")

    async def forget_password(self, context: RequestContext, uuid: str) -> None:
        """See the port."""
        await self._keep(context, uuid, "", "")

    async def _keep(self, context: RequestContext, uuid: str, encrypted: str, action: str) -> None:
        kept = {"changes": {"encrypted_password": encrypted}, "context": to_json(context), "action": action}
        await self._servers.ask_cell(context, uuid, "update_instance", kept)
