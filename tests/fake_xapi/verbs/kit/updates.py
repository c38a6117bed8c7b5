"""Patches and images of updates, made for tests."""

from __future__ import annotations

import io

import pycdlib

from tests.fake_xapi.verbs.kit.hosts import Host

PATCH = "b0de1a5e-0000-4000-8000-000000000001"
OTHER = "b0de1a5e-0000-4000-8000-000000000002"


def patch(inside: str = "", *, uuid: str = PATCH, guidance: str = "restartHost restartXAPI") -> bytes:
    """A patch: a signed script, somewhere in which its info stands."""
    told = f'uuid="{uuid}" version="1.0" name-label="XS61E001" name-description="a fix" after-apply-guidance="{guidance}"'
    info = f"<info {told}>{inside}</info>"
    return f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n#!/bin/sh\ncase $1 in info) echo '{info}';; esac\n".encode()


def update_xml(inside: str = "", *, uuid: str = PATCH, guidance: str = "restartHost", key: str = "", size: int = 4096) -> bytes:
    """The document of an update."""
    return (
        f'<update name-label="XS70E001" uuid="{uuid}" version="1.0" key="{key}" installation-size="{size}" '
        f'after-apply-guidance="{guidance}" enforce-homogeneity="true"><name-description>a fix</name-description>{inside}</update>'
    ).encode()


def image(files: dict[str, bytes]) -> bytes:
    """An ISO 9660 image with these files, written by a library that is not the simulator's."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3)
    for path, content in files.items():
        iso.add_fp(io.BytesIO(content), len(content), f"/{path.upper()};1")
    written = io.BytesIO()
    iso.write_fp(written)
    iso.close()
    return written.getvalue()


async def on_disk(host: Host, content: bytes) -> str:
    """A VDI that begins with these bytes."""
    vdi = await host.disk(max(len(content), 1 << 20))
    host.write(vdi, 0, content)
    return vdi


async def introduced(host: Host, content: bytes) -> str:
    """The pool_update of an image."""
    return str(await host.call("pool_update.introduce", await on_disk(host, content)))
