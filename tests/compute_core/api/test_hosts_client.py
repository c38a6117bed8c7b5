"""The unmodified ``openstack`` client and our own commands tend hosts, over real sockets to simulated ones."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from compute_core.cli import core as commands
from scenarios import image
from scenarios.testrun import free_port
from tests.compute_core.api import tour
from tests.compute_core.api.hosts_chapter import AGGREGATES, EMPTIED, NO_POOL, POOL, REFUSED
from tests.compute_core.api.tour import Step, state

PREPARED = (
    Step("image create debian --disk-format vhd --container-format bare --public --file debian.vhd -c status", "active"),
    Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 -c name", "m1.lab"),
)
WHERE = "server show web -f value -c OS-EXT-SRV-ATTR:host"


def core(folder: Path, *arguments: str) -> tuple[int, str]:
    """One of our commands: its exit code and output."""
    done = CliRunner().invoke(commands, [*arguments, "--state", str(folder / "inova-state")])
    return done.exit_code, done.output


def listed(folder: Path) -> dict[str, Any]:
    return {row["host"]: row for row in json.loads(core(folder, "hosts", "list", "--json")[1])}


@pytest.mark.disk_tools
def test_hosts_are_put_into_aggregates_out_of_use_and_into_maintenance(tmp_path: Path) -> None:
    with tour.cloud(tmp_path) as session:
        for step in (*PREPARED, *AGGREGATES):
            tour.check(session.take(step))
        for command, words in REFUSED:
            code, output = session.ask(command)
            assert (code, bool(re.search(words, output))) == (1, True), output
        for step in EMPTIED:
            tour.check(session.take(step))

        assert core(tmp_path, "hosts", "maintenance", "xs00002", "--reason", "new disks") == (0, "xs00002: in maintenance\n")
        assert session.ask(WHERE)[1].strip() == "xs00001"
        found = listed(tmp_path)["xs00002"]
        assert (found["status"], found["reason"], found["servers"], found["upkeep"]["stage"]) == (
            "disabled", "new disks", 0, "in maintenance",
        )  # fmt: skip
        assert core(tmp_path, "hosts", "reboot", "xs00002") == (0, "xs00002: in maintenance\n")
        code, output = core(tmp_path, "hosts", "maintenance", "xs00001")
        assert (code, "web: No valid host was found: of 2 hosts 2 are disabled" in output) == (1, True), output
        assert core(tmp_path, "hosts", "maintenance", "xs00002", "--off") == (0, "xs00002: enabled\n")
        assert core(tmp_path, "hosts", "maintenance", "xs00001") == (0, "xs00001: in maintenance\n")
        assert core(tmp_path, "hosts", "maintenance", "xs00001", "--off") == (0, "xs00001: enabled\n")
        tour.check(session.take(state("web", "ACTIVE")))
        assert core(tmp_path, "hosts", "reboot", "xs00002", "--stop-servers") == (0, "xs00002: enabled\n")
        tour.check(session.take(state("web", "SHUTOFF")))
        assert core(tmp_path, "hosts", "disable", "xs00002", "--reason", "noisy", "--on-host")[0] == 0
        assert listed(tmp_path)["xs00002"]["reason"] == "noisy"
        assert core(tmp_path, "hosts", "enable", "xs00002", "--on-host")[0] == 0
        code, output = core(tmp_path, "hosts", "power-on", "xs00002")
        assert (code, "Host xs00002 is up" in output) == (1, True), output
        code, output = core(tmp_path, "hosts", "power-on", "nobody")
        assert (code, "Compute host nobody could not be found" in output) == (1, True), output


@pytest.mark.disk_tools
def test_a_member_of_a_pool_is_switched_off_and_on(tmp_path: Path) -> None:
    image.make(tmp_path / "debian.vhd")
    with ExitStack() as stack:
        port = str(free_port())
        simulate = f"sim serve --hosts 2 --pool-size 2 --port {port} --profile instant --inventory hosts.json"
        stack.enter_context(tour.serving(simulate.split(), tmp_path))
        stack.enter_context(tour.serving(["core", "up", "--inventory", "hosts.json", "--port", "0", "--resume-guests"], tmp_path))
        session = stack.enter_context(tour.client(tmp_path))
        for step in PREPARED:
            tour.check(session.take(step))
        tour.check(
            session.take(Step("server create web --image debian --flavor m1.lab --host xs00002 --wait -f value -c status", "ACTIVE"))
        )
        assert core(tmp_path, "hosts", "reboot", "xs00002", "--stop-servers") == (0, "xs00002: enabled\n")
        tour.check(session.take(state("web", "ACTIVE")))
        tour.check(session.take(Step("server delete web --wait")))
        assert core(tmp_path, "hosts", "shutdown", "xs00002") == (0, "xs00002: off\n")
        code, output = core(tmp_path, "hosts", "power-on", "xs00002", "--no-wait")
        assert code == 0, output
        fault = ""
        for _ in range(tour.PATIENCE):
            fault = listed(tmp_path)["xs00002"]["upkeep"]["fault"] or ""
            if fault:
                break
        assert "xs00002 has no power_on_mode" in fault


def settled(session: tour.Client, step: Step) -> None:
    """Go a step that waits for hosts to restart, and for their agents to say so."""
    for _ in range(4):
        if step.until in session.take(step).output:
            break
    tour.check(session.take(step))


@pytest.mark.long
@pytest.mark.disk_tools
def test_hosts_of_an_aggregate_become_a_pool(tmp_path: Path) -> None:
    with tour.cloud(tmp_path) as session:
        for step in POOL:
            settled(session, step) if step.until else tour.check(session.take(step))
        pools = {row["pool"] for row in listed(tmp_path).values()}
        assert len(pools) == 1
        for step in (
            *PREPARED,
            Step("server create web --image debian --flavor m1.lab --host xs00002 --wait -f value -c status", "ACTIVE"),
        ):
            tour.check(session.take(step))
        code, output = session.ask("aggregate remove host blue xs00002")
        assert (code, "has 1 servers, whose disks would be lost" in output) == (1, True), output
        tour.check(session.take(Step("server delete web --wait")))
        for step in NO_POOL:
            settled(session, step) if step.until else tour.check(session.take(step))
