"""The unmodified ``openstack`` client and servers that have moved: their events, ports and screens, smaller disks, and the way by rsync."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from compute_core.xenapi import dom0_bundle
from scenarios.testrun import free_port
from tests.compute_core.api import tour
from tests.compute_core.api.test_moves_with_the_client import HOST, PREPARED
from tests.compute_core.api.tour import Step, check, client, serving, state
from tests.compute_core.images import partitioned

EVENTS = {
    "resize": ["compute_finish_resize", "compute_resize_instance"],
    "confirmResize": ["compute_confirm_resize"],
    "migrate": ["compute_finish_resize", "compute_resize_instance"],
    "revertResize": ["compute_finish_revert_resize", "compute_revert_resize"],
    "live-migration": ["compute_live_migration"],
    "create": ["compute__do_build_and_run_instance"],
}
"""The actions of the session, and their parts, the newest first."""


def events(session: tour.Client) -> dict[str, list[str]]:
    listed = json.loads(session.ask("server event list web -f json")[1])
    return {each["Action"]: parts(session, each["Request ID"]) for each in listed}


def parts(session: tour.Client, request: str) -> list[str]:
    shown: Any = json.loads(session.ask(f"server event show web {request} -f json")[1])
    return [part["event"] for part in shown["events"]]


def where(session: tour.Client) -> tuple[str, str]:
    """The server's host, and the one that its port is bound to."""
    (port,) = json.loads(session.ask("port list --server web -f json")[1])
    return session.ask(HOST)[1].strip(), session.ask(f"port show {port['ID']} -f value -c binding_host_id")[1].strip()


@pytest.mark.disk_tools
def test_a_server_that_moved_keeps_its_port_and_its_screen_and_tells_what_became_of_it(tmp_path: Path) -> None:
    with tour.cloud(tmp_path) as session:
        for step in PREPARED:
            check(session.take(step))
        seen = [where(session)]
        for moves in (
            (Step("server resize web --flavor m1.big --wait", "Complete"), Step("server resize confirm web")),
            (Step("server migrate web --wait", "Complete"), Step("server resize revert web")),
            (Step("server migrate web --live-migration --wait", "Complete"),),
        ):
            for step in moves:
                check(session.take(step))
            check(session.take(state("web", "ACTIVE")))
            seen.append(where(session))
            check(session.take(Step("console url show web -f value -c url", "^http://.*token")))
            check(session.take(Step("console log show web --lines 3")))
        assert [host for host, _ in seen] == [port for _, port in seen]
        assert len({host for host, _ in seen}) == 2
        assert events(session) == EVENTS
        check(session.take(Step("port list --host nowhere -f value", "^$")))
        check(session.take(Step("server migration list --type live-migration --status completed -f value -c Type", "^live-migration$")))


PAGE = tour.ROOT / "docs" / "how-to" / "move-servers.md"
AT_REST = Step("server show web -f value -c OS-EXT-STS:task_state", until="None")


@pytest.mark.disk_tools
def test_the_page_s_commands_move_a_server_and_make_its_disk_larger_and_smaller(tmp_path: Path) -> None:
    partitioned.make(tmp_path / "parts.img", 24 << 20)
    sizes: list[str] = []
    with tour.cloud(tmp_path) as session:
        for step in (
            Step("image create parts --disk-format raw --property auto_disk_config=True --file parts.img -c status", "active"),
            *PREPARED[1:3],
            Step("flavor create m1.none --ram 512 --disk 0 --vcpus 2 -c name", "m1.none"),
            Step("server create web --image parts --flavor m1.lab --wait -c status", "ACTIVE"),
            Step("server show web -f value -c OS-DCF:diskConfig", "AUTO"),
        ):
            check(session.take(step))
        for command in re.findall(r"^\$ openstack (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
            check(session.take(Step(command)))
            check(session.take(AT_REST))
            sizes += [command.split()[4]] if command.startswith("server resize web") else []
        check(session.take(Step("server show web -f value -c flavor -c status", "m1.lab[\\s\\S]*ACTIVE")))
        code, output = session.ask("server resize web --flavor m1.none")
        assert (code, "Resize to zero disk flavor is not allowed" in output) == (1, True)
    assert sizes == ["m1.big", "m1.lab"]


@contextmanager
def by_rsync(folder: Path) -> Iterator[tour.Client]:
    """As `tour.cloud`, the hosts having the plugin, and the core being told to use rsync."""
    (folder / "dom0").mkdir()
    dom0_bundle.write(folder / "dom0")
    partitioned.make(folder / "debian.vhd", 24 << 20)
    with ExitStack() as stack:
        simulate = f"sim serve --hosts 2 --port {free_port()} --profile instant --plugins dom0 --inventory hosts.json"
        stack.enter_context(serving(simulate.split(), folder))
        stack.enter_context(serving(["core", "up", "--inventory", "hosts.json", "--port", "0", "--rsync", "user=root"], folder))
        yield stack.enter_context(client(folder))


@pytest.mark.disk_tools
@pytest.mark.ssh
def test_a_server_goes_to_another_host_by_rsync(tmp_path: Path) -> None:
    with by_rsync(tmp_path) as session:
        for step in (
            Step("image create debian --disk-format raw --container-format bare --public --file debian.vhd -c status", "active"),
            *PREPARED[1:],
        ):
            check(session.take(step))
        host = session.ask(HOST)[1].strip()
        check(session.take(Step("server migrate web --wait", "Complete")))
        check(session.take(Step("server migration confirm web")))
        check(session.take(state("web", "ACTIVE")))
        assert session.ask(HOST)[1].strip() not in {"", host}
        assert parts(session, json.loads(session.ask("server event list web -f json")[1])[1]["Request ID"]) == EVENTS["migrate"]
