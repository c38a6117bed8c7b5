"""XVA archives, as far as the suite must read and corrupt them: Python's own tarfile and XML-RPC do the reading.

May not know the server.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import xmlrpc.client  # the archives come from the operator's own server
from collections.abc import Mapping
from typing import Any, Final

CHUNK_BYTES: Final = 1024 * 1024
ENDINGS: Final = (".checksum", ".xxhash")


def files(archive: bytes) -> dict[str, bytes]:
    """The files of an archive in their order, whether or not it is packed with gzip."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:*") as opened:
        return {member.name: _content(opened, member) for member in opened}


def _content(opened: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = opened.extractfile(member)
    assert file is not None, f"{member.name} is no plain file"
    return file.read()


def metadata(archive: bytes) -> Mapping[str, Any]:
    """The content of ``ova.xml``."""
    text = files(archive)["ova.xml"].decode()
    (found,), _ = xmlrpc.client.loads(f"<params><param>{text[text.index('<value>') :]}</param></params>")
    assert isinstance(found, dict)
    return found


def objects(archive: bytes, cls: str) -> list[dict[str, Any]]:
    """The records of a class in an archive."""
    return [made["snapshot"] for made in metadata(archive)["objects"] if made["class"] == cls]


def chunks(archive: bytes) -> dict[str, bytes]:
    """The pieces of disks, by name."""
    return {name: content for name, content in files(archive).items() if "/" in name and not name.endswith(ENDINGS)}


def wrong_checksums(archive: bytes) -> list[str]:
    """The chunks whose checksum is missing or wrong; kinds newer than SHA-1 only have to be present."""
    found = files(archive)
    return [name for name, content in chunks(archive).items() if not _is_right(found, name, content)]


def _is_right(found: Mapping[str, bytes], name: str, content: bytes) -> bool:
    if name + ".checksum" in found:
        return found[name + ".checksum"].decode() == hashlib.sha1(content, usedforsecurity=False).hexdigest()
    text = found.get(name + ".xxhash", b"").decode()
    return len(text) == 16 and set(text) <= set("0123456789ABCDEF")
