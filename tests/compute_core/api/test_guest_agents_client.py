"""The unmodified ``openstack`` client gives guests passwords, over real sockets, and reads them back with the key of the server."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compute_core.api import guest_agents_tour, tour
from tests.compute_core.api.guest_agents_tour import asked
from tests.compute_core.api.tour import ROOT, Client, Step


@pytest.mark.disk_tools
def test_guests_take_passwords_and_the_owner_of_the_key_reads_them(tmp_path: Path) -> None:
    with guest_agents_tour.cloud(tmp_path) as session:
        for step in guest_agents_tour.BUILT:
            tour.check(session.take(step))
        assert _read(session, tmp_path) == "first"
        tour.check(session.take(Step("server set web --password second")))
        assert _read(session, tmp_path) == "second"
        tour.check(session.take(Step("server event list web -f value -c Action", "changePassword")))
        code, output = session.ask("server set bare --password nobody")
        assert (code, "no agent" in output) == (1, True), output
        for step in guest_agents_tour.RESCUED:
            tour.check(session.take(step))
        assert _read(session, tmp_path) == "second"
        for step in guest_agents_tour.REBUILT:
            tour.check(session.take(step))
        assert _read(session, tmp_path) == "anew"
        tour.check(session.take(Step("server set web --no-password")))
        assert asked(session, "GET", "web") == (200, '{"password":""}')


def _read(session: Client, folder: Path) -> str:
    """The password that the API tells, as openssl decrypts it with the key that the client has written."""
    sealed = folder / "sealed"
    sealed.write_bytes(base64.b64decode(json.loads(asked(session, "GET", "web")[1])["password"]))
    words = ["openssl", "pkeyutl", "-decrypt", "-inkey", "laptop.pem", "-in", "sealed"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_the_core_does_not_start_with_rules_that_cannot_be_meant(tmp_path: Path) -> None:
    (tmp_path / "agents.json").write_text('{"boot": 300}')
    command = [sys.executable, "-m", "scenarios.cli", "core", "up", "--url", "http://127.0.0.1:9", "--guest-agents", "agents.json"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert (done.returncode, "agents.json: Object contains unknown field `boot`. Cure: " in done.stderr) == (2, True), done.stderr
