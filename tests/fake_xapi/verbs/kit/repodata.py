"""Repositories of updates, made for tests: repomd.xml, updateinfo.xml.gz, and both in a tar file."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping

HREF = "repodata/updateinfo.xml.gz"


def update(name: str, **guidance: str) -> str:
    """One update; guidance by kind, several separated by blanks."""
    asked = "".join(f"<{kind}>{''.join(f'<value>{one}</value>' for one in values.split())}</{kind}>" for kind, values in guidance.items())
    return (
        f'<update type="security"><id>{name}</id><title>{name}</title><summary>a fix</summary><description>of much</description>'
        f'<special_info/><url>https://example.com/{name}</url><issued date="2026-01-02T00:00:00Z"/><severity>High</severity>'
        f"<guidance>{asked}</guidance><pkglist><collection>"
        f'<package name="xapi" version="1" release="{name}" arch="x86_64"/></collection></pkglist></update>'
    )


def updateinfo(*updates: str) -> bytes:
    """The file that repositories hold."""
    return gzip.compress(f"<updates>{''.join(updates)}</updates>".encode(), mtime=0)


def repomd(packed: bytes) -> bytes:
    """The index that names it."""
    checksum = hashlib.sha256(packed).hexdigest()
    data = f'<data type="updateinfo"><checksum type="sha256">{checksum}</checksum><location href="{HREF}"/></data>'
    return f'<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"/>{data}</repomd>'.encode()


def files(*updates: str) -> dict[str, bytes]:
    """A whole repository."""
    packed = updateinfo(*updates)
    return {"repodata/repomd.xml": repomd(packed), HREF: packed}


def hash_of(*updates: str) -> str:
    """The hash of a repository with these updates."""
    return hashlib.sha256(updateinfo(*updates)).hexdigest()


def bundle(content: Mapping[str, bytes]) -> bytes:
    """A repository as a tar file."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return written.getvalue()
