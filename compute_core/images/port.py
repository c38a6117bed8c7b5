"""What the rest of the core asks of an image service, whoever provides it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from compute_core.model.images import Image


@dataclass(frozen=True, slots=True)
class ImageFilters:
    """What a listing may ask for; None means "any". ``project_id`` limits it to what that project may see."""

    project_id: str | None = None
    ids: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None
    visibility: str | None = None
    owner: str | None = None
    container_formats: tuple[str, ...] | None = None
    disk_formats: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    is_protected: bool | None = None
    is_hidden: bool = False
    size_min: int | None = None
    size_max: int | None = None
    created_at: tuple[tuple[str, str], ...] = ()
    updated_at: tuple[tuple[str, str], ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)


class ImageStore(Protocol):
    """Images and their bytes. Every method raises ``NotFound`` for an image that is not there."""

    async def list(self, filters: ImageFilters = ...) -> tuple[Image, ...]:
        """The images that pass, in no promised order."""

    async def get(self, image_id: str) -> Image:
        """One image."""

    async def create(self, name: str, owner: str, *, image_id: str | None = None, **fields: Any) -> Image:
        """Register an image without bytes (``queued``); ``fields`` are those of ``Image``. Conflict when the id is taken."""

    async def update(self, image_id: str, **changes: Any) -> Image:
        """Change fields of ``Image``; ``properties`` and ``tags`` are replaced whole."""

    async def delete(self, image_id: str) -> None:
        """Forget the image and its bytes. Forbidden while it is protected."""

    async def upload(self, image_id: str, chunks: AsyncIterator[bytes]) -> Image:
        """Take the bytes of a queued image and make it ``active``.

        Size, MD5 and SHA-512 are computed on the way; a ``vhd`` must be one (``BadImage``: the image stays queued and nothing is kept).
        Conflict when the image has bytes already.
        """

    def download(self, image_id: str) -> AsyncIterator[bytes]:
        """The bytes of an active image, in chunks; Conflict for one that has none."""

    def path(self, image_id: str) -> Path | None:
        """Where the bytes lie as a file, when they do; None otherwise."""
