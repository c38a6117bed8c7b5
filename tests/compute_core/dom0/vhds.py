"""Real VHD files for the plugin: by qemu-img, and chains by the simulator's writer; and an image service that serves and takes bytes."""

from __future__ import annotations

import gzip
import io
import ssl
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

from fake_xapi.dom0.vhd import BLOCK_BYTES
from fake_xapi.dom0.vhd_write import Parent, VhdImage

MIB = 1 << 20
DISK_BYTES = 8 * MIB
UUIDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(1, 9)]
LEAF, MIDDLE, BASE = (UUID(int=number) for number in (101, 102, 103))


def pattern(number: int) -> bytes:
    """A block of a byte, so that each disk's own is told from the others'."""
    return bytes([number]) * BLOCK_BYTES


def differencing(uuid: UUID, parent: UUID | None, blocks: Mapping[int, bytes], size: int = DISK_BYTES) -> bytes:
    """A VHD that has some blocks itself and the others from its parent."""
    above = Parent(parent, f"{parent}.vhd") if parent else None
    return b"".join(VhdImage(size, uuid, sorted(blocks), blocks.__getitem__, above).pieces())


def chain() -> list[bytes]:
    """Three disks of 8 MiB, the leaf first: blocks 0, 1 and 2 are of leaf, middle and base, as each of them hides the one below."""
    base = differencing(BASE, None, {0: pattern(3), 1: pattern(3), 2: pattern(3)})
    middle = differencing(MIDDLE, BASE, {0: pattern(2), 1: pattern(2)})
    return [differencing(LEAF, MIDDLE, {0: pattern(1)}), middle, base]


SEEN = pattern(1) + pattern(2) + pattern(3) + bytes(BLOCK_BYTES)
"""What a guest sees on the disk of ``chain``."""


def by_qemu(folder: Path, content: bytes, subformat: str = "dynamic") -> bytes:
    """A VHD that qemu-img made."""
    raw, made = folder / "content.raw", folder / "content.vhd"
    raw.write_bytes(content)
    subprocess.run(
        ["qemu-img", "convert", "-O", "vpc", "-o", f"subformat={subformat},force_size=on", str(raw), str(made)],
        check=True,
        capture_output=True,
    )
    return made.read_bytes()


def raw_of(vhd: Path) -> bytes:
    """The content of a disk without a parent, as qemu-img reads it."""
    out = vhd.with_suffix(".raw")
    subprocess.run(["qemu-img", "convert", "-f", "vpc", "-O", "raw", str(vhd), str(out)], check=True, capture_output=True)
    return out.read_bytes()


def archived(files: Mapping[str, bytes], *, is_packed: bool = True) -> bytes:
    """The files as the image service keeps them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(out.getvalue(), 1) if is_packed else out.getvalue()


def numbered(vhds: list[bytes]) -> dict[str, bytes]:
    """VHDs by the names that they have in an image."""
    return {f"{place}.vhd": content for place, content in enumerate(vhds)}


@dataclass
class ImageService:
    """Bytes by path over HTTP on loopback; ``refusals`` are given instead, one request each."""

    url: str = ""
    content: dict[str, bytes] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    cut_at: int | None = None


class _Handler(BaseHTTPRequestHandler):
    """Answers for the service that its server belongs to."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        service, body = self.server.service, self.server.service.content.get(self.path)
        service.headers.append(dict(self.headers))
        if service.refusals or body is None:
            self._answer(service.refusals.pop(0) if service.refusals else 404, b"no such image")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: service.cut_at])
        self.close_connection = True

    def do_PUT(self) -> None:
        service, body = self.server.service, self._body()
        service.headers.append(dict(self.headers))
        if service.refusals:
            self._answer(service.refusals.pop(0), b"not now")
            return
        service.content[self.path] = body
        self._answer(204, b"")

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    service: ImageService

    def handle_error(self, *args: object) -> None:
        """A client that does not trust us goes away in the middle."""


@contextmanager
def image_service(tls: ssl.SSLContext | None = None) -> Iterator[ImageService]:
    """A service in a thread of its own, for the time of the block."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.service = ImageService(f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}")
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.service
        finally:
            server.shutdown()
            thread.join()
