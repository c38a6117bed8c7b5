"""An image is fetched from a test's service into a dom0 in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.compute_core.dom0.local import SR, call, dom0_in, files_in, refused
from tests.compute_core.dom0.vhds import LEAF, UUIDS, ImageService, differencing, pattern

PATH = "/v2/images/i/file"
ANOTHER = differencing(LEAF, None, {0: pattern(9)})
"""A disk that needs no other."""


def download(folder: Path, service: ImageService, content: bytes, **arguments: Any) -> Any:
    service.content[PATH] = content
    return call(dom0_in(folder), "image_download", **wanted(service, **arguments))


def download_refused(folder: Path, service: ImageService, content: bytes, **arguments: Any) -> tuple[str, str]:
    service.content[PATH] = content
    answer = refused(dom0_in(folder), "image_download", **wanted(service, **arguments))
    assert files_in(folder) == []
    return answer


def wanted(service: ImageService, **arguments: Any) -> dict[str, Any]:
    return {"sr": SR, "uuids": UUIDS, "url": f"{service.url}{PATH}", "headers": {"X-Auth-Token": "t"}, **arguments}
