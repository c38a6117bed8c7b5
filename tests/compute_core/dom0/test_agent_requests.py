"""Requests to guests' agents, over commands of xenstore that a test answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compute_core.dom0.machine import Machine, Ran
from tests.compute_core.dom0.local import call, dom0_in, refused
from tests.compute_core.dom0.test_commands import DONE, TOP, Xenstore


def _ask(machine: Machine, *requests: dict[str, Any], **arguments: Any) -> Any:
    return call(machine, "agent_ask", domid=5, id="r", requests=list(requests), **arguments)


def test_requests_are_json_and_nothing_is_left(tmp_path: Path) -> None:
    store, seen = Xenstore(), list[Any]()

    def notice(path: str, value: str) -> None:
        if "/data/host/" in path:
            seen.append(json.loads(value))
            store.values[path.replace("/host/", "/guest/")] = json.dumps({"returncode": 0, "message": 7})

    store.notice = notice
    replies = _ask(dom0_in(tmp_path, store), {"name": "a", "value": {"b": 1}}, {"name": "c", "value": ""})
    assert (replies, seen) == ([{"returncode": "0", "message": "7"}] * 2, [{"name": "a", "value": {"b": 1}}, {"name": "c", "value": ""}])
    assert store.values == {f"{TOP}/domid": "5"}


def test_an_answer_that_comes_late_is_waited_for_with_growing_pauses(tmp_path: Path) -> None:
    store, pauses = Xenstore(), list[float]()

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 7:
            store.values[f"{TOP}/data/guest/r-0"] = '{"returncode": "0", "message": ""}'

    assert _ask(dom0_in(tmp_path, store, pause), {"name": "a", "value": ""})[0]["returncode"] == "0"
    assert pauses == [0.02, 0.05, 0.1, 0.2, 0.5, 0.5, 0.5]


def test_a_request_has_its_own_time_and_the_next_one_follows_whatever_is_answered(tmp_path: Path) -> None:
    store, pauses = Xenstore(), list[float]()
    store.notice = lambda path, _: store.values.update({path.replace("/host/", "/guest/"): '{"returncode": "404", "message": ""}'})
    assert len(_ask(dom0_in(tmp_path, store), {"name": "a", "value": "", "accepts": None}, {"name": "b", "value": ""})) == 2
    store.notice = lambda _, __: None
    asked = [{"name": "a", "value": "", "timeout_s": 1.5}]
    said = refused(dom0_in(tmp_path, store, pauses.append), "agent_ask", domid=5, id="r", requests=asked, timeout_s=60)
    assert (said, sum(pauses)) == (("TimedOut", "a: no answer from the agent within 1.5 seconds"), 1.5)


def test_where_any_answer_will_do_none_is_one_too_but_not_that_the_guest_is_gone(tmp_path: Path) -> None:
    store = Xenstore()
    asked = {"name": "features", "value": "", "accepts": None, "timeout_s": 1.5}
    [reply] = _ask(dom0_in(tmp_path, store), asked)
    assert reply == {"returncode": "TIMEOUT", "message": "features: no answer from the agent within 1.5 seconds"}
    assert store.values == {f"{TOP}/domid": "5"}

    def goes(_: float) -> None:
        store.values.clear()

    assert refused(dom0_in(tmp_path, store, goes), "agent_ask", domid=5, id="r", requests=[asked])[0] == "Rebooted"


def test_an_answer_that_is_long_in_coming_is_told_of_by_xenstore(tmp_path: Path) -> None:
    store, pauses, watches = Xenstore(), list[float](), list[tuple[str, ...]]()

    def watch(command: tuple[str, ...]) -> Ran:
        watches.append(command)
        if len(watches) < 6:
            return Ran(124, "", "")
        store.values[f"{TOP}/data/guest/r-0"] = '{"returncode": "0", "message": ""}'
        return DONE

    store.watch = watch
    assert _ask(dom0_in(tmp_path, store, pauses.append), {"name": "a", "value": ""}, timeout_s=300)[0]["returncode"] == "0"
    assert pauses == [0.02, 0.05, 0.1, 0.2, 0.5]
    told = ("xenstore-watch", "-n", "2", f"{TOP}/data/guest/r-0")
    assert watches == [("timeout", limit, *told) for limit in ("1", "2", "5", "15", "15", "15")]


def test_a_guest_that_only_stirs_its_path_is_given_up_in_time(tmp_path: Path) -> None:
    store = Xenstore()
    store.watch = lambda _: DONE
    said = refused(
        dom0_in(tmp_path, store, lambda _: None), "agent_ask", domid=5, id="r", requests=[{"name": "a", "value": ""}], timeout_s=30
    )
    assert said == ("TimedOut", "a: no answer from the agent within 30 seconds")
    assert len([command for command in store.asked if command[0] == "timeout"]) < 70


def test_what_is_no_answer_is_told_and_removed(tmp_path: Path) -> None:
    for nonsense in ("", "{", '{"returncode": "0"}', "[]", "7"):
        store = Xenstore(**{"data/guest/r-0": nonsense})
        kind, text = refused(dom0_in(tmp_path, store), "agent_ask", domid=5, id="r", requests=[{"name": "a", "value": ""}])
        assert (kind, text) == ("Failed", f"a: the agent answered what is no answer: {nonsense}")
        assert store.values == {f"{TOP}/domid": "5"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"requests": []},
        {"requests": [{"name": "a"}]},
        {"requests": [{"value": "a"}]},
        {"requests": [{"name": "a", "value": "", "accepts": "0"}]},
        {"requests": [{"name": "a", "value": "", "timeout_s": 0}]},
        {"requests": [{"name": "a", "value": ""}], "id": "../x"},
        {"requests": [{"name": "a", "value": ""}], "timeout_s": 86401},
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(tmp_path: Path, arguments: dict[str, Any]) -> None:
    assert refused(dom0_in(tmp_path), "agent_ask", **{"domid": 5, "id": "r", **arguments})[0] == "BadArguments"
