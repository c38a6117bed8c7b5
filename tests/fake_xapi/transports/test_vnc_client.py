"""A VNC client that others wrote looks at consoles, presses keys, and finds on its picture what stands on the screen."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import XenAPI
from PIL import Image

from fake_xapi.dom0.glyphs import HEIGHT, STROKES, WIDTH, glyph
from fake_xapi.testing import SimulatedXapi

_BY_GLYPH = {glyph(character): character for character in STROKES}


@contextmanager
def tunnel(url: str, ref: str, session: str) -> Iterator[int]:
    """A port of this machine behind which a console is, as clients of XenServer make one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        joining = threading.Thread(target=_join, args=(listener, url, ref, session))
        joining.start()
        yield listener.getsockname()[1]
        joining.join(30)


def _join(listener: socket.socket, url: str, ref: str, session: str) -> None:
    parts = urlsplit(url)
    with listener.accept()[0] as near, socket.create_connection((parts.hostname or "", parts.port or 80)) as far:
        far.sendall(f"CONNECT /console?ref={ref} HTTP/1.0\r\nCookie: session_id={session}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += far.recv(1)
        out = threading.Thread(target=_pump, args=(near, far))
        out.start()
        _pump(far, near)
        out.join(30)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # the other way has ended already
        while content := source.recv(65_536):
            sink.sendall(content)
        sink.shutdown(socket.SHUT_WR)


def vncdo(port: int, *orders: str) -> None:
    program = shutil.which("vncdo", path=str(Path(sys.executable).parent)) or "vncdo"
    done = subprocess.run([program, "-s", f"127.0.0.1::{port}", *orders], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def read_back(picture: Path) -> list[str]:
    """The lines of text on a picture."""
    with Image.open(picture) as image:
        grey = image.convert("RGB")
        return [_line(grey, top) for top in range(0, grey.height, HEIGHT)]


def _line(image: Image.Image, top: int) -> str:
    ground = image.getpixel((image.width - 1, top))
    return "".join(_character(image, left, top, ground) for left in range(0, image.width, WIDTH)).rstrip()


def _character(image: Image.Image, left: int, top: int, ground: object) -> str:
    rows = tuple(sum((image.getpixel((left + x, top + y)) != ground) << (WIDTH - 1 - x) for x in range(WIDTH)) for y in range(HEIGHT))
    return _BY_GLYPH[rows]


@pytest.fixture(name="session")
def _session(xapi: SimulatedXapi) -> Iterator[Any]:
    session = XenAPI.Session(xapi.url)
    session.xenapi.login_with_password("root", "xenroot")
    yield session
    session("close")()


def test_a_guest_is_seen_and_hears_what_is_typed(xapi: SimulatedXapi, session: Any, tmp_path: Path) -> None:
    template = session.xenapi.VM.get_by_name_label("Other install media")[0]
    vm = session.xenapi.VM.clone(template, "web-1")
    session.xenapi.VM.provision(vm)
    session.xenapi.VM.start(vm, False, False)
    picture = tmp_path / "guest.png"
    with tunnel(xapi.url, vm, session._session) as port:
        vncdo(port, "type", "date", "pause", "0.3", "capture", str(picture))
    lines = read_back(picture)
    assert lines[0].startswith(" web-1 | Running | hvm | domain ")
    assert lines[-1] == ""
    assert any(line.endswith("date_") for line in lines)


def test_a_host_is_seen(xapi: SimulatedXapi, session: Any, tmp_path: Path) -> None:
    host = session.xenapi.host.get_all()[0]
    record = session.xenapi.host.get_record(host)
    picture = tmp_path / "host.png"
    with tunnel(xapi.url, record["control_domain"], session._session) as port:
        vncdo(port, "capture", str(picture))
    lines = read_back(picture)
    assert len(lines) == 25
    assert f"  Management address  {record['address']}" in lines
    assert f"  Host UUID           {record['uuid']}" in lines
