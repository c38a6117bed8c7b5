"""A guest's life, stage by stage, from the moment its domain exists until it is gone.

The stages are data (``behaviours``); a caller changes them through the VM's other_config (``wishes``). A new domain ends the life of
the previous one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from fake_xapi.dom0 import xenstore
from fake_xapi.guest import agent, machine
from fake_xapi.guest.behaviours import BadBehaviour, Behaviour, Stage, behaviour, behaviours
from fake_xapi.guest.exits import Exit, Outcome, end_domain
from fake_xapi.guest.prints import printed
from fake_xapi.guest.systems import system_of
from fake_xapi.guest.tells import TELLS
from fake_xapi.guest.wishes import PREFIX, Wishes, complaints, wishes_of
from fake_xapi.lifecycle.guests import is_hvm
from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call

IGNORED = "SIM_SETTING_IGNORED"
"""The name of the ``message`` that reports a bad key ``sim.*``."""
_EXITS: Mapping[str, Exit] = {"halt": "shutdown", "reboot": "reboot", "crash": "crash"}
_RETRY_S = 1.0
_GIVES_WAY = frozenset({"clean_shutdown", "clean_reboot", "shutdown", "call_plugin", "data_source_op", "metadata_export"})
"""The operations for which a guest does not wait before it ends its domain: they want just that, or are not affected."""


def begin_life(call: Call, vm: Id, domid: int) -> None:
    """Let the guest of a domain boot, or continue to boot, in the background of the call that lets the domain run."""
    call.spawn(_name(vm), _live(call, vm, domid))


def end_life(call: Call, vm: Id) -> None:
    """End the guest's activity: its domain is gone or paused."""
    call.stop(_name(vm))


def resume_all(call: Call) -> None:
    """Let the guests of a database that was loaded or rolled back continue from the stages that they had reached."""
    for vm, row in list(call.world.rows("VM")):
        if row["power_state"] == "Running" and not row["is_control_domain"] and not _is_at_rest(call, vm, row):
            begin_life(call, vm, row["domid"])


def _is_at_rest(call: Call, vm: Id, row: AnyRow) -> bool:
    """Whether a guest without wishes has reached its last stage, as most of the many guests have."""
    if any(key.startswith(PREFIX) for key in row["other_config"]):
        return False
    plan = behaviours()[system_of(row, call.world.personality.era).behaviour if _has_system(call, vm) else "bare"]
    reached = plan.stages.get(machine.stage_reached(call.world, vm, row))
    return reached is not None and not reached.next


def leave_domain(call: Call, vm: Id, how: Exit) -> Outcome:
    """Carry out what follows when the guest of a running VM halts, reboots or crashes; returns the resulting power state.

    Nothing is checked and no operation is marked: XAPI finds out afterwards.
    """
    end_life(call, vm)
    outcome = end_domain(call, vm, how)
    if outcome == "Running":
        begin_life(call, vm, call.world[vm]["domid"])
    return outcome


def _name(vm: Id) -> str:
    return f"guest {vm}"


async def _live(call: Call, vm: Id, domid: int) -> None:
    plan, chance = _plan(call, vm), call.chance("guests")
    wishes = wishes_of(call.world[vm]["other_config"])
    stage, passed = _next_stage(call, vm, plan), set[int]()
    while stage is not None:
        # One that takes no time has booted before its starter can ask for more; a plan that goes in circles lets others run.
        if (delay_s := _delay(call, plan, stage, wishes)) or id(stage) in passed:
            await asyncio.sleep(delay_s)
        passed.add(id(stage))
        if not _is_still(call, vm, domid):
            return
        _pass(call, vm, stage)
        if stage.does:
            await _leave(call, vm, domid, _EXITS[stage.does])
            return
        stage = plan.follower(stage, chance)
    await _end_as_wished(call, vm, domid, wishes)


def _plan(call: Call, vm: Id) -> Behaviour:
    """The guest's behaviour: as wished, otherwise that of its system; an HVM guest without a disk stops at its firmware."""
    row = call.world[vm]
    wrong = list(complaints(row["other_config"]))
    wishes = wishes_of(row["other_config"])
    usual = system_of(row, call.world.personality.era).behaviour if _has_system(call, vm) else "bare"
    name = {"hang": "hang", "panic": "panic"}.get(str(wishes.boot), wishes.behaviour) or usual
    try:
        plan = behaviour(name)
    except BadBehaviour as bad:
        plan = behaviours()[usual]
        wrong.append(f"sim.behaviour: {bad}")
    for sentence in wrong:
        call.announce(IGNORED, vm, sentence)
    return plan


def _has_system(call: Call, vm: Id) -> bool:
    row = call.world[vm]
    return not is_hvm(call.world, row) or any(call.world[vbd]["type"] == "Disk" for vbd in row["VBDs"])


def _next_stage(call: Call, vm: Id, plan: Behaviour) -> Stage | None:
    """The stage at which the guest begins, or continues when its domain was paused or suspended."""
    reached = plan.stages.get(machine.stage_reached(call.world, vm, call.world[vm]))
    if reached is not None:
        return plan.follower(reached, call.chance("guests"))
    with call.world.edit() as edit:
        machine.begin_boot(edit, vm)
    return plan.stages[plan.first]


def _delay(call: Call, plan: Behaviour, stage: Stage, wishes: Wishes) -> float:
    if isinstance(wishes.boot, float) and stage.of:
        return wishes.boot * stage.part / sum(_parts(plan))
    return stage.delay(call.lasts(stage.of) if stage.of else 0.0, call.chance("guests"))


def _parts(plan: Behaviour) -> Iterator[float]:
    """The fractions of a boot that its stages take, along one path."""
    stage: Stage | None = plan.stages[plan.first]
    seen: set[str] = set()
    while stage is not None and stage.name not in seen:
        seen.add(stage.name)
        yield stage.part
        stage = plan.stages[stage.next[0]] if stage.next else None


def _is_still(call: Call, vm: Id, domid: int) -> bool:
    row = call.world.get(vm)
    return row is not None and row["domid"] == domid and row["power_state"] == "Running"


def _pass(call: Call, vm: Id, stage: Stage) -> None:
    """Tell and print what a stage prescribes, in this order, since what is printed may depend on what was told."""
    row = call.world[vm]
    keys = {key: value for name in stage.tells for key, value in TELLS[name](call.world, row).items()}
    if keys:
        xenstore.write(call, vm, keys)
        agent.look(call, vm)
    with call.world.edit() as edit:
        machine.keep(edit, vm, stage=stage.name)
        if stage.prints:
            machine.prints(edit, vm, printed(call.world, vm, stage.prints))


async def _end_as_wished(call: Call, vm: Id, domid: int, wishes: Wishes) -> None:
    """Let a guest end by itself some time after it came up: of several wishes, the earliest wins."""
    wanted = ((wishes.halt_after, "halt"), (wishes.reboot_after, "reboot"), (wishes.crash_after, "crash"))
    ends = sorted((after, how) for after, how in wanted if after is not None)
    if ends:
        await asyncio.sleep(ends[0][0])
        await _leave(call, vm, domid, _EXITS[ends[0][1]])


async def _leave(call: Call, vm: Id, domid: int, how: Exit) -> None:
    """End the domain once no other operation is under way."""
    while _is_still(call, vm, domid) and set(call.world[vm]["current_operations"].values()) - _GIVES_WAY:  # noqa: ASYNC110  # rare
        await asyncio.sleep(_RETRY_S)
    if _is_still(call, vm, domid):
        leave_domain(call, vm, how)
