"""The Python API and the commands: the same operations, each against a simulation that runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import XenAPI
from click.testing import CliRunner, Result

from fake_xapi.cli import sim
from fake_xapi.control import cli, world_cli
from fake_xapi.control.client import Control, ControlError
from fake_xapi.control.operations import OPERATIONS
from fake_xapi.control.simulation import Simulation
from tests.fake_xapi.control.rig import Rig, running

HOST = "xs00001"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("snapshots"), profile="instant") as found:
        yield found


def test_the_client_has_every_operation() -> None:
    assert [operation.name for operation in OPERATIONS if not callable(getattr(Control, operation.name, None))] == []


def test_a_fault_comes_strikes_and_goes(rig: Rig, session: Any) -> None:
    control = Control(rig.url)
    fault = control.add_fault({"effect": {"kind": "refuse", "code": "HA_NO_PLAN"}, "message": "network.get_all", "count": 1})
    with pytest.raises(XenAPI.Failure, match="HA_NO_PLAN"):
        session.xenapi.network.get_all()
    assert control.fault(fault["handle"])["hits"] == 1
    control.remove_fault(fault["handle"])
    assert control.faults() == {"faults": []}


def test_calls_are_followed_as_they_end(rig: Rig, session: Any) -> None:
    found: list[dict[str, Any]] = []
    following = Control(rig.url).follow_calls(message="network.get_*")
    watching = threading.Thread(target=lambda: found.append(next(following)))
    watching.start()
    while watching.is_alive():
        session.xenapi.network.get_all()
        watching.join(0.1)
    following.close()
    assert (found[0]["message"], found[0]["outcome"], found[0]["host"]) == ("network.get_all", "success", HOST)


def test_a_refusal_bears_status_word_and_cure(rig: Rig) -> None:
    with pytest.raises(ControlError, match="did you mean xs00001") as caught:
        Control(rig.url).host("xs0001")
    assert (caught.value.status, caught.value.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:1", r"no control plane answers at http://127.0.0.1:1 .*; start one: inova sim serve --control-port 8079"),
        ("nonsense", r"'nonsense' is no URL of a control plane; write it like http://127.0.0.1:8079"),
    ],
)
def test_a_control_plane_that_is_not_there_is_told_with_the_cure(url: str, sentence: str) -> None:
    with pytest.raises(ControlError, match=sentence):
        Control(url).clock()


def test_what_is_no_control_plane_is_told(rig: Rig) -> None:
    with pytest.raises(ControlError, match="is this a control plane"):
        Control(rig.xapi_url()).clock()


# ---- commands -----------------------------------------------------------------------------------------------------------------


def run(rig: Rig, *arguments: str) -> Result:
    """A command that must succeed."""
    result = tried(rig, *arguments)
    assert result.exit_code == 0, result.output
    return result


def tried(rig: Rig, *arguments: str) -> Result:
    """A command that may be refused."""
    return CliRunner().invoke(sim, [*arguments, "--control", rig.url])


def asked(rig: Rig, *arguments: str) -> Any:
    """What a command prints as JSON."""
    return json.loads(run(rig, *arguments, "--json").output)


def test_every_command_is_below_sim() -> None:
    assert {*cli.COMMANDS, *world_cli.COMMANDS} == {"hosts", "faults", "clock", "world", "calls"}
    assert {*cli.COMMANDS, *world_cli.COMMANDS} <= set(sim.commands)


def test_hosts_are_listed_shown_killed_revived_and_forked(rig: Rig) -> None:
    assert [host["name"] for host in asked(rig, "hosts", "list", "--limit", "2")["hosts"]] == [HOST, "xs00002"]
    assert "go on with --after xs00002" in run(rig, "hosts", "list", "--limit", "2").output
    assert "Local storage" in run(rig, "hosts", "show", HOST).output
    assert run(rig, "hosts", "kill", "xs00002").output == "xs00002 is dead\n"
    assert run(rig, "hosts", "revive", "xs00002").output == "xs00002 is up\n"
    assert run(rig, "hosts", "fork", "xs00002").output.startswith("xs00004 at http://127.")


def test_faults_are_added_listed_released_and_removed(rig: Rig) -> None:
    fault = asked(rig, "faults", "add", "refuse", "--code", "SR_FULL", "--param", "1", "--param", "0", "--message", "VDI.*", "--nth", "2")
    effect = {"kind": "refuse", "code": "SR_FULL", "params": ["1", "0"]}
    assert fault["rule"] == {"message": "VDI.*", "nth": 2, "effect": effect}
    assert "SR_FULL" in run(rig, "faults", "list").output
    assert run(rig, "faults", "release", str(fault["handle"])).output == "0 released\n"
    assert run(rig, "faults", "remove", str(fault["handle"])).output == f"rule {fault['handle']} is gone\n"
    assert asked(rig, "faults", "add", "fist:pause_storage_migrate", "--host", HOST)["rule"]["host"] == HOST
    run(rig, "faults", "clear")
    assert asked(rig, "faults", "list") == {"faults": []}
    assert run(rig, "faults", "list").output == "no rule is in force\n"


@pytest.mark.parametrize("option", ["--nth", "--count"])
def test_a_rule_that_strikes_no_call_is_refused_and_not_one_without_a_bound(rig: Rig, option: str) -> None:
    result = tried(rig, "faults", "add", "drop", option, "0")
    assert (result.exit_code, f"Invalid value for '{option}': 0 is not in the range x>=1." in result.output) == (2, True)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("clock", "speed", "-1"), "the body['speed'] is wrong: -1.0 is less than or equal to the minimum of 0"),
        (("clock", "jump", "-5"), "the body['seconds'] is wrong: -5.0 is less than the minimum of 0"),
        (("clock", "step", "-5"), "the body['count'] is wrong: -5 is less than the minimum of 1"),
        (("world", "rewind", HOST, "-1"), "-1 is not in the range x>=0"),
    ],
)
def test_a_number_below_nothing_is_refused_as_a_number(rig: Rig, command: tuple[str, ...], sentence: str) -> None:
    assert sentence in tried(rig, *command).output


def test_tables_that_no_terminal_shows_are_not_cut(rig: Rig) -> None:
    assert f" {rig.xapi_url()} " in run(rig, "hosts", "list").output


def test_the_clock_is_paced(rig: Rig) -> None:
    assert asked(rig, "clock", "pause")["is_paused"]
    before = asked(rig, "clock", "now")["time_s"]
    assert asked(rig, "clock", "jump", "90")["time_s"] == round(before + 90, 6)
    assert "paused, " in run(rig, "clock", "step").output
    assert asked(rig, "clock", "speed", "60")["speed"] == 60
    assert not asked(rig, "clock", "resume")["is_paused"]
    run(rig, "clock", "speed", "1")


def test_worlds_are_looked_into_and_gone_back_to(rig: Rig) -> None:
    session = XenAPI.Session(rig.xapi_url())
    session.login_with_password("root", "xenroot")
    assert run(rig, "world", "journal", HOST, "--keep", "10").output == "1 worlds keep 10 generations\n"
    run(rig, "world", "snapshot", "before")
    generation = asked(rig, "world", "show", HOST)["generation"]
    network = session.xenapi.network.create({"name_label": "made", "other_config": {}})
    assert "network.create" in run(rig, "world", "journal", HOST).output
    assert '"added": 1' in run(rig, "world", "diff", "before").output
    assert "made" in run(rig, "world", "diff", "before", "--host", HOST).output
    assert "made" in run(rig, "world", "objects", HOST, "network").output
    run(rig, "world", "rewind", HOST, str(generation))
    with pytest.raises(XenAPI.Failure, match="HANDLE_INVALID"):
        session.xenapi.network.get_uuid(network)
    assert "before" in run(rig, "world", "snapshots").output
    run(rig, "world", "restore", "before")
    run(rig, "world", "save", "commands.inova")
    assert run(rig, "world", "load", "commands.inova", "loaded").output.startswith("loaded: ")
    assert run(rig, "world", "forget", "before").output == "before is gone\n"
    session("close")()


def test_calls_are_listed_and_counted(rig: Rig, session: Any) -> None:
    session.xenapi.network.get_all()
    assert "network.get_all success" in run(rig, "calls", "list", "--message", "network.*").output
    assert asked(rig, "calls", "counters", "--reset")["messages"]["network.get_all"]["calls"] >= 1
    assert asked(rig, "calls", "counters")["calls"] == 0


def test_a_command_without_a_control_plane_says_how_to_start_one() -> None:
    result = CliRunner().invoke(sim, ["hosts", "list", "--control", "http://127.0.0.1:1"])
    assert (result.exit_code, "start one: inova sim serve --control-port 8079" in result.output) == (1, True)


def test_the_simulation_itself_has_every_operation_of_the_client() -> None:
    of_time = {"clock", "set_pace", "step", "jump"}
    names = {operation.name for operation in OPERATIONS} - of_time
    assert [name for name in names if not callable(getattr(Simulation, name, None))] == []
