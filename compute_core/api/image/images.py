"""Images: register, show, change, delete, and their bytes in and out."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call, Reply
from compute_core.api.image.view import FIELDS, READ_ONLY, changes_of, shown
from compute_core.api.schemas.services import IMAGE
from compute_core.api.validation import check_body
from compute_core.images.filters import is_visible
from compute_core.model.errors import Conflict, Forbidden, NotFound
from compute_core.model.images import Image


def _version(call: Call, number: str, status: str) -> dict[str, Any]:
    return {"id": f"v{number}", "status": status, "links": [{"rel": "self", "href": f"{call.host_url}/image/v2/"}]}


async def versions(call: Call) -> dict[str, Any]:
    """Every version: 2.9 has all that is here."""
    older = [_version(call, f"2.{minor}", "SUPPORTED") for minor in range(7, -1, -1)]
    return {"versions": [_version(call, "2.9", "CURRENT"), *older]}


async def _find(call: Call) -> Image:
    image = await call.services.images.get(call.path["image_id"])
    if not is_visible(image, None if call.context.is_admin else call.context.project_id):
        raise NotFound(f"No image found with ID {image.id}")
    return image


async def _own(call: Call) -> Image:
    """An image that the caller may change."""
    image = await _find(call)
    if not call.context.is_admin and image.owner != call.context.project_id:
        raise Forbidden(f"You are not permitted to change image {image.id}: another project owns it.")
    return image


async def create(call: Call) -> Reply:
    """Register an image; its bytes come by another request."""
    body = dict(call.body)
    image_id = body.pop("id", None)
    fields = changes_of(body, is_admin=call.context.is_admin)
    owner = fields.pop("owner", call.context.project_id)
    image = await call.services.images.create(fields.pop("name", ""), owner, image_id=image_id, **fields)
    return Reply(shown(image), headers={"Location": f"{call.base_url}/v2/images/{image.id}"})


async def show(call: Call) -> dict[str, Any]:
    """One image."""
    return shown(await _find(call))


async def update(call: Call) -> dict[str, Any]:
    """Apply a JSON Patch."""
    image = await _own(call)
    present = {name: value for name, value in shown(image).items() if name in FIELDS or name in image.properties}
    wanted = dict(present)
    for step in call.body:
        _apply(wanted, step)
    changed = {name: value for name, value in wanted.items() if name not in present or present[name] != value}
    check_body(wanted, IMAGE)
    if image.status != "queued" and {"disk_format", "container_format"} & changed.keys():
        raise Forbidden("The formats of an image cannot be changed once it has its bytes.")
    fields = changes_of(changed, is_admin=call.context.is_admin)
    fields["properties"] = {name: value for name, value in wanted.items() if name not in FIELDS}
    return shown(await call.services.images.update(image.id, **fields))


def _apply(members: dict[str, Any], step: dict[str, Any]) -> None:
    name = step["path"].removeprefix("/").replace("~1", "/").replace("~0", "~")
    if name in READ_ONLY:
        raise Forbidden(f"Attribute '{name}' is read-only.")
    if step["op"] == "add":
        members[name] = step["value"]
        return
    if name not in members:
        raise Conflict(f"Image has no {name} that could be changed.")
    if step["op"] == "replace":
        members[name] = step["value"]
    elif name in FIELDS:
        raise Forbidden(f"Attribute '{name}' cannot be removed.")
    else:
        del members[name]


async def delete(call: Call) -> None:
    """Forget an image and its bytes."""
    await call.services.images.delete((await _own(call)).id)


async def upload(call: Call) -> None:
    """Take the bytes of an image."""
    image = await _own(call)
    if not image.disk_format or not image.container_format:
        raise Conflict("The image needs a disk_format and a container_format before its bytes.")
    await call.services.images.upload(image.id, call.chunks())


async def download(call: Call) -> Reply:
    """The bytes of an image; 204 while it has none."""
    image = await _find(call)
    if image.status != "active":
        return Reply(status=204)
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(image.size_bytes or 0)}
    if image.checksum_md5:
        headers["Content-MD5"] = image.checksum_md5
    return Reply(headers=headers, stream=call.services.images.download(image.id))


async def add_tag(call: Call) -> None:
    """Give an image a tag."""
    image = await _own(call)
    await call.services.images.update(image.id, tags=tuple(dict.fromkeys((*image.tags, call.path["tag"]))))


async def remove_tag(call: Call) -> None:
    """Take a tag from an image."""
    image, tag = await _own(call), call.path["tag"]
    if tag not in image.tags:
        raise NotFound(f"Image {image.id} has no tag {tag}.")
    await call.services.images.update(image.id, tags=tuple(name for name in image.tags if name != tag))
