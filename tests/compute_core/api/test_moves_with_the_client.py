"""The unmodified ``openstack`` client moves servers: resize, migrate, live-migrate, evacuate; over real sockets to simulated hosts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.compute_core.api import tour
from tests.compute_core.api.tour import Step, state

PREPARED = (
    Step("image create debian --disk-format vhd --container-format bare --public --file debian.vhd -c status", "active"),
    Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 -c name", "m1.lab"),
    Step("flavor create m1.big --ram 512 --disk 2 --vcpus 2 -c name", "m1.big"),
    Step("server create web --image debian --flavor m1.lab --wait -c status", "ACTIVE"),
)
HOST = "server show web -f value -c OS-EXT-SRV-ATTR:host"

RESIZED = (
    Step("server resize web --flavor m1.big --wait", "Complete"),
    Step("server show web -c status -c flavor", "VERIFY_RESIZE"),
    Step("server resize confirm web"),
    state("web", "ACTIVE"),
    Step("server show web -f value -c flavor", "m1.big"),
    Step("server migrate web --wait", "Complete"),
    state("web", "VERIFY_RESIZE"),
    Step("server resize revert web"),
    state("web", "ACTIVE"),
    Step("server migrate web --wait", "Complete"),
    Step("server migration confirm web"),
    state("web", "ACTIVE"),
    Step("server migrate web --live-migration --wait", "Complete"),
    state("web", "ACTIVE"),
    Step("server migration list --server web -f value -c Type -c Status", "live-migration completed|completed live-migration"),
)

SLOW_COPY = {"extends": "instant", "operations": {"VM.migrate.copy": {"seconds": 8.0}}}


@pytest.mark.disk_tools
def test_the_client_resizes_and_migrates(tmp_path: Path) -> None:
    with tour.cloud(tmp_path) as session:
        for step in (*PREPARED, *RESIZED):
            tour.check(session.take(step))
        listed = json.loads(session.ask("server migration list --server web -f json")[1])
        assert [(each["Type"], each["Status"]) for each in listed] == [
            ("live-migration", "completed"),
            ("migration", "confirmed"),
            ("migration", "reverted"),
            ("resize", "confirmed"),
        ]
        code, output = session.ask("server resize web --flavor m1.lab")
        assert code == 0, output
        tour.check(session.take(state("web", "ACTIVE")))
        code, output = session.ask("server resize confirm web")
        assert code == 1
        assert "while it is in vm_state active" in output


@pytest.mark.disk_tools
def test_the_client_evacuates_from_a_host_that_is_down(tmp_path: Path) -> None:
    with tour.cloud(tmp_path) as session:
        for step in PREPARED:
            tour.check(session.take(step))
        host = session.ask(HOST)[1].strip()
        code, output = session.ask("server evacuate web")
        assert code == 1
        assert "is still in use" in output
        tour.check(session.take(Step(f"compute service set --down {host} nova-compute")))
        tour.check(session.take(Step("server evacuate web -c status", "REBUILD|ACTIVE")))
        tour.check(session.take(state("web", "ACTIVE")))
        assert session.ask(HOST)[1].strip() not in {"", host}
        tour.check(session.take(Step("server migration list -f value -c Type -c Status", "evacuation")))
        tour.check(session.take(Step(f"compute service set --up {host} nova-compute")))


def _under_way(session: tour.Client) -> str:
    """The number of a live migration once it runs."""
    tour.check(session.take(Step("server migrate web --live-migration")))
    tour.check(session.take(Step("server migration list --server web -f value -c Status", until="running")))
    (number,) = [
        each["Id"] for each in json.loads(session.ask("server migration list --server web -f json")[1]) if each["Status"] == "running"
    ]
    return str(number)


@pytest.mark.disk_tools
def test_the_client_watches_aborts_and_hurries_a_live_migration(tmp_path: Path) -> None:
    (tmp_path / "slow.json").write_text(json.dumps(SLOW_COPY), encoding="utf-8")
    with tour.cloud(tmp_path, profile="slow.json") as session:
        for step in PREPARED:
            tour.check(session.take(step))
        host = session.ask(HOST)[1].strip()
        number = _under_way(session)
        tour.check(session.take(Step(f"server migration abort web {number}")))
        tour.check(session.take(state("web", "ACTIVE")))
        tour.check(session.take(Step("server migration list --server web -f value -c Status", "cancelled")))
        assert session.ask(HOST)[1].strip() == host
        number = _under_way(session)
        tour.check(session.take(Step(f"server migration force complete web {number}")))
        tour.check(session.take(state("web", "ACTIVE")))
        assert session.ask(HOST)[1].strip() not in {"", host}
