"""The calls that a rehearsal makes of the REST API, as an operator's tools would make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from compute_core.api.wsgi import Reply, Request
from scenarios.traffic.transport import Api

MICROVERSION = "2.87"
PAGE = 1000


class ApiRefused(Exception):
    """The API answered with an error; the message has its status and its words."""

    def __init__(self, request: Request, reply: Reply) -> None:
        super().__init__(f"{request.method} {request.path}: HTTP {reply.status} {reply.content[:300].decode(errors='replace')}")
        self.status = reply.status


@dataclass(frozen=True, slots=True)
class Credentials:
    """An admin's, of the embedded identity service."""

    user: str
    project: str
    password: str = field(repr=False)


class CloudClient:
    """One logged-in client. ``compute``, ``image`` and ``identity`` are the paths of the endpoints."""

    def __init__(self, api: Api, credentials: Credentials, *, identity: str, compute: str, image: str) -> None:
        self._api = api
        self._credentials = credentials
        self._identity, self._compute, self._image = identity, compute, image
        self._token = ""

    async def log_in(self) -> None:
        """Get a token."""
        user = {"name": self._credentials.user, "domain": {"id": "default"}, "password": self._credentials.password}
        scope = {"project": {"name": self._credentials.project, "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        reply = await self._api.send(Request("POST", f"{self._identity}/auth/tokens", json=body))
        if reply.status != 201:
            raise ApiRefused(Request("POST", "/auth/tokens"), reply)
        self._token = reply.headers["x-subject-token"]

    async def services(self) -> list[dict[str, Any]]:
        """The agents that have registered."""
        found: list[dict[str, Any]] = (await self._get(f"{self._compute}/os-services?binary=nova-compute"))["services"]
        return found

    async def create_server(self, name: str, image: str, flavor: str, host: str = "") -> str:
        """Ask for a server, on one host when it is named; its id."""
        server: dict[str, Any] = {"name": name, "imageRef": image, "flavorRef": flavor, "networks": "auto"}
        if host:
            server["availability_zone"] = f"nova:{host}"
        created: str = (await self._send("POST", f"{self._compute}/servers", {"server": server}))["server"]["id"]
        return created

    async def server(self, server_id: str) -> dict[str, Any]:
        """One server."""
        found: dict[str, Any] = (await self._get(f"{self._compute}/servers/{server_id}"))["server"]
        return found

    async def servers(self, **filters: str) -> list[dict[str, Any]]:
        """All servers that the filters let through, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            marker = {"marker": found[-1]["id"]} if found else {}
            query = urlencode({**filters, "limit": PAGE, **marker})
            page = (await self._get(f"{self._compute}/servers/detail?{query}"))["servers"]
            found += page
            if len(page) < PAGE:
                return found

    async def delete_server(self, server_id: str) -> None:
        """Ask for a server's end; one that is gone already is fine."""
        try:
            await self._send("DELETE", f"{self._compute}/servers/{server_id}")
        except ApiRefused as refusal:
            if refusal.status != 404:
                raise

    async def snapshot(self, server_id: str, name: str) -> str:
        """Ask for an image of a server; the image's id."""
        image: str = (await self._send("POST", f"{self._compute}/servers/{server_id}/action", {"createImage": {"name": name}}))["image_id"]
        return image

    async def upload_image(self, name: str, content: bytes) -> str:
        """Store a VHD; the image's id."""
        fields = {"name": name, "disk_format": "vhd", "container_format": "bare", "visibility": "public"}
        image: str = (await self._send("POST", f"{self._image}/v2/images", fields))["id"]
        await self._checked(
            Request("PUT", f"{self._image}/v2/images/{image}/file", content=content, headers={"Content-Type": "application/octet-stream"})
        )
        return image

    async def image(self, image_id: str) -> dict[str, Any]:
        """One image's fields."""
        return dict(await self._get(f"{self._image}/v2/images/{image_id}"))

    async def download_image(self, image_id: str) -> bytes:
        """One image's bytes."""
        return (await self._checked(Request("GET", f"{self._image}/v2/images/{image_id}/file"))).content

    async def delete_image(self, image_id: str) -> None:
        """Remove an image."""
        await self._checked(Request("DELETE", f"{self._image}/v2/images/{image_id}"))

    async def _get(self, path: str) -> Any:
        return (await self._checked(Request("GET", path))).json

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return (await self._checked(Request(method, path, json=body))).json

    async def _checked(self, request: Request) -> Reply:
        headers = {**request.headers, "X-Auth-Token": self._token, "OpenStack-API-Version": f"compute {MICROVERSION}"}
        reply = await self._api.send(Request(request.method, request.path, request.json, request.content, headers))
        if reply.status >= 400:
            raise ApiRefused(request, reply)
        return reply
