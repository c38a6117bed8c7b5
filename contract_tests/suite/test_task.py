"""Tasks: what Async calls leave behind, and what clients make for themselves."""

from __future__ import annotations

import re
from typing import Any

import pytest

from contract_tests.made import MIB, Made
from contract_tests.refusals import DEAD, NEVER, NULL, refusal
from contract_tests.waiting import finished

VOID = {"", "<value></value>", "<value/>"}


@pytest.mark.rule("task created", "task.create")
def test_a_new_task_is_pending(xapi: Any, made: Made) -> None:
    """A client's own task waits with nothing done."""
    record = xapi.task.get_record(made.task())
    facts = {name: record[name] for name in ("status", "progress", "result", "error_info", "current_operations", "subtasks", "subtask_of")}
    assert facts == {
        "status": "pending",
        "progress": 0.0,
        "result": "",
        "error_info": [],
        "current_operations": {},
        "subtasks": [],
        "subtask_of": NULL,
    }
    assert (record["type"], record["finished"].value) == ("<none/>", NEVER)
    assert record["created"].value > NEVER
    assert record["name_description"] == "made by the contract suite"


@pytest.mark.rule("task created")
def test_a_task_runs_somewhere(xapi: Any, made: Made) -> None:
    """resident_on is the host that executes it."""
    assert xapi.task.get_resident_on(made.task()) in xapi.host.get_all()


@pytest.mark.rule("task.destroy finished")
def test_a_destroyed_task_is_gone(xapi: Any, made: Made) -> None:
    """A task that has ended is deleted at once."""
    task = made.keep_task(xapi.Async.VM.get_possible_hosts(made.vm()))
    finished(xapi, task)
    xapi.task.destroy(task)
    assert refusal(xapi.task.get_record, task) == ["HANDLE_INVALID", "task", task]


@pytest.mark.rule("task success")
def test_an_async_call_leaves_its_result(xapi: Any, made: Made) -> None:
    """The result is the XML-RPC value of what the call would have answered."""
    task = made.keep_task(xapi.Async.VM.clone(made.vm(), made.name()))
    record = finished(xapi, task)
    assert (record["status"], record["progress"], record["error_info"], record["allowed_operations"]) == ("success", 1.0, [], [])
    match = re.fullmatch(r"<value>(OpaqueRef:[0-9a-f-]+)</value>", record["result"])
    assert match, record["result"]
    assert xapi.VM.get_power_state(made.keep_vm(match.group(1))) == "Halted"


@pytest.mark.rule("task name")
def test_an_async_call_bears_its_full_name(xapi: Any, made: Made) -> None:
    """The task is named as the call was."""
    task = made.keep_task(xapi.Async.VM.clone(made.vm(), made.name()))
    record = finished(xapi, task)
    made.keep_vm(record["result"].removeprefix("<value>").removesuffix("</value>"))
    assert record["name_label"] == "Async.VM.clone"
    assert record["finished"].value >= record["created"].value


@pytest.mark.rule("task result")
def test_an_async_list_is_an_array(xapi: Any, made: Made, host: str) -> None:
    """Lists in a result are arrays of XML-RPC."""
    result = finished(xapi, made.keep_task(xapi.Async.VM.get_possible_hosts(made.vm())))["result"]
    assert result.startswith("<value><array><data>")
    assert f"<value>{host}</value>" in result


@pytest.mark.rule("task result")
def test_an_async_call_without_a_result_leaves_none(xapi: Any, made: Made) -> None:
    """Void is empty text or an empty value."""
    record = finished(xapi, made.keep_task(xapi.Async.VM.update_allowed_operations(made.vm())))
    assert record["status"] == "success"
    assert record["result"] in VOID


@pytest.mark.rule("task refused for its meaning", "task failure")
def test_an_async_refusal_is_in_the_task(xapi: Any, made: Made) -> None:
    """What a call refuses, its task tells with all parameters."""
    vm = made.vm()
    record = finished(xapi, made.keep_task(xapi.Async.VM.unpause(vm)))
    assert record["status"] == "failure"
    assert record["error_info"] == ["VM_BAD_POWER_STATE", vm, "paused", "halted"]
    assert (record["progress"], record["result"], record["allowed_operations"]) == (1.0, "", [])
    assert record["finished"].value > NEVER


@pytest.mark.rule("task refused for its form")
def test_an_async_call_with_a_wrong_count_makes_no_task(xapi: Any, halted: str) -> None:
    """Counts and types are refused at once."""
    code, name, *numbers = refusal(xapi.Async.VM.start, halted)
    assert code == "MESSAGE_PARAMETER_COUNT_MISMATCH"
    assert name.endswith("VM.start")
    assert numbers == ["3", "1"]


@pytest.mark.rule("task refused for its meaning")
def test_an_async_call_on_a_dead_reference_fails_in_its_task(xapi: Any, made: Made) -> None:
    """HANDLE_INVALID is for the task to tell."""
    record = finished(xapi, made.keep_task(xapi.Async.VM.pause(DEAD)))
    assert (record["status"], record["error_info"]) == ("failure", ["HANDLE_INVALID", "VM", DEAD])


@pytest.mark.rule("dispatch spelling")
def test_the_underscore_spelling_has_no_async_form(xapi: Any, halted: str) -> None:
    """Async goes before the dotted name only."""
    assert refusal(getattr(xapi, "Async.VM_start"), halted, False, False)[0] == "MESSAGE_METHOD_UNKNOWN"


@pytest.mark.rule("task first end")
def test_cancelling_what_has_ended_changes_nothing(xapi: Any, made: Made) -> None:
    """The first end counts."""
    task = made.keep_task(xapi.Async.VM.get_possible_hosts(made.vm()))
    finished(xapi, task)
    xapi.task.cancel(task)
    assert xapi.task.get_status(task) == "success"


@pytest.mark.rule("task cancelled")
def test_a_cancelled_copy_is_made_whole_or_not_at_all(xapi: Any, made: Made, sr: str) -> None:
    """A copy that is cancelled ends as cancelled and leaves nothing, or was quicker and leaves the whole disk."""
    vdi = made.vdi(64 * MIB)
    before = set(xapi.SR.get_VDIs(sr))
    task = made.keep_task(xapi.Async.VDI.copy(vdi, sr))
    xapi.task.cancel(task)
    record = finished(xapi, task)
    grown = {new for new in set(xapi.SR.get_VDIs(sr)) - before if xapi.VDI.get_name_label(new) == xapi.VDI.get_name_label(vdi)}
    for new in grown:
        made.keep_vdi(new)
    assert (record["status"], len(grown)) in {("success", 1), ("cancelled", 0)}
    assert xapi.VDI.get_current_operations(vdi) == {}


@pytest.mark.rule("task setters")
def test_a_task_carries_other_config(xapi: Any, made: Made) -> None:
    """Clients note things on tasks."""
    task = made.task()
    xapi.task.add_to_other_config(task, "note", "a")
    assert xapi.task.get_other_config(task)["note"] == "a"


@pytest.mark.rule("task setters")
@pytest.mark.requires("task.set_status", "task.set_result")
def test_a_client_may_finish_its_own_task(xapi: Any, made: Made) -> None:
    """Progress, result and status of a client's own task are the client's to set."""
    task = made.task()
    xapi.task.set_progress(task, 0.5)
    assert xapi.task.get_progress(task) == 0.5
    xapi.task.set_result(task, "done")
    xapi.task.set_status(task, "success")
    record = xapi.task.get_record(task)
    assert (record["status"], record["result"]) == ("success", "done")


@pytest.mark.rule("task of a synchronous call")
def test_a_call_that_waits_leaves_no_task(xapi: Any, made: Made) -> None:
    """The task of a call that is not Async goes with the call."""
    vm = made.vm()
    before = set(xapi.task.get_all())
    made.keep_vm(xapi.VM.clone(vm, made.name()))
    new = [xapi.task.get_record(task) for task in set(xapi.task.get_all()) - before]
    assert [task for task in new if task["name_label"] == "VM.clone" and task["status"] != "pending"] == []


@pytest.mark.rule("task marks")
def test_no_mark_outlives_its_operation(xapi: Any, made: Made) -> None:
    """When a task has ended nothing bears its mark."""
    vm = made.vm()
    vbd, vif = made.vbd(vm), made.vif(vm)
    record = finished(xapi, made.keep_task(xapi.Async.VM.clone(vm, made.name())))
    made.keep_vm(record["result"].removeprefix("<value>").removesuffix("</value>"))
    marks = (xapi.VM.get_current_operations(vm), xapi.VBD.get_current_operations(vbd), xapi.VIF.get_current_operations(vif))
    assert marks == ({}, {}, {})


@pytest.mark.rule("task.cancel")
def test_cancelling_what_nobody_can_stop_is_no_error(xapi: Any, made: Made) -> None:
    """A pending task of the client's own bears the wish to be cancelled, and goes on."""
    task = made.task()
    xapi.task.cancel(task)
    record = xapi.task.get_record(task)
    assert (record["status"], list(record["current_operations"].values())) == ("pending", ["cancel"])


@pytest.mark.rule("task.destroy unfinished")
def test_a_task_that_is_not_over_is_destroyed_later(xapi: Any, made: Made) -> None:
    """It bears the wish to be destroyed, and is there until it has ended."""
    task = made.task()
    xapi.task.destroy(task)
    record = xapi.task.get_record(task)
    assert (record["status"], "destroy" in record["current_operations"].values()) == ("pending", True)
