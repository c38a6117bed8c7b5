"""The server of the control plane ends whenever it is asked to, whatever its threads are at."""

from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path

import pytest

from fake_xapi.control.server import ControlServer
from tests.fake_xapi.control.rig import running


def test_it_ends_while_streams_are_read(tmp_path: Path) -> None:
    with running(tmp_path, hosts=1) as rig:
        connections = []
        for path in ("/live", "/calls/stream", "/hosts"):
            connection = HTTPConnection("127.0.0.1", rig.port, timeout=60)
            connection.request("GET", path)
            assert connection.getresponse().read(1)
            connections.append(connection)
    for connection in connections:
        connection.close()


def test_a_thread_that_was_awake_already_is_no_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order that was seen: the sockets, the trigger's among them, are closed before the trigger is pulled."""
    with running(tmp_path, hosts=1) as rig:
        server = rig._running.server
        close_sockets = server._close_sockets

        def awake(thunk: object) -> None:
            close_sockets()
            raise OSError(9, "Bad file descriptor")

        monkeypatch.setattr(server._server.trigger, "pull_trigger", awake)
        assert isinstance(server, ControlServer)
    assert not server._thread.is_alive()
