"""The unmodified ``openstack`` client rescues, rebuilds, shelves, locks, deletes and restores a server, over real sockets."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from scenarios import image
from scenarios.testrun import free_port
from tests.compute_core.api import tour
from tests.compute_core.api.server_life_chapter import DELETING, STEPS
from tests.compute_core.api.tour import Client, Step


@pytest.mark.disk_tools
def test_the_client_takes_a_server_through_its_life(tmp_path: Path) -> None:
    image.make(tmp_path / "debian.vhd")
    with ExitStack() as stack:
        simulate = f"sim serve --hosts 2 --port {free_port()} --profile instant --inventory hosts.json"
        stack.enter_context(tour.serving(simulate.split(), tmp_path))
        core = "core up --inventory hosts.json --port 0 --reclaim 3600"
        stack.enter_context(tour.serving(core.split(), tmp_path))
        session = stack.enter_context(tour.client(tmp_path))
        for step in STEPS:
            tour.check(session.take(step))
        _, output = session.ask("server list -f value -c ID")
        _restore(session, output.split()[0])
        code, output = session.ask("server dump create web")
        assert (code, "XENAPI_MISSING_PLUGIN" in output) == (1, True), output


def _restore(session: Client, server: str) -> None:
    for step in DELETING:
        tour.check(session.take(step))
    tour.check(session.take(Step(f"server restore {server}")))
    tour.check(session.take(Step(f"server show {server} -f value -c status", until="ACTIVE")))
