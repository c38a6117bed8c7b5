"""Bridges, ports and links of dom0's network: many steps in one call, all of them or none.

A step is a map: ``do`` names it, its other members are its arguments. A step that finds done what it is for does nothing, so a list may be
sent again; when one fails, those that did something are taken back, the last one first. What deletes is not taken back but where the
table says how: let it come last.
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from compute_core.dom0 import arguments
from compute_core.dom0.machine import Machine
from compute_core.dom0.network_steps import NAME, OPTIONAL, PATTERNS, STEPS, Command, Fields, Step
from compute_core.dom0.refusal import FAILED, Arguments, Refusal


def plumb(machine: Machine, given: Arguments) -> List[Dict[str, Any]]:
    """Do ``steps`` in order, all or none. Returns for each ``{"is_changed", "out"}``: whether it did something, and what was printed.

    Refusal BAD_ARGUMENTS before anything is done, FAILED when a step fails: those before it are taken back, and the text names the step
    and whatever could not be taken back.
    """
    replies: List[Dict[str, Any]] = []
    undoing: List[Command] = []
    for place, (step, fields) in enumerate([_checked(step) for step in arguments.maps(given, "steps")]):
        outs: List[str] = []
        try:
            for command in _needed(machine, step, fields):
                outs.append(machine.run(*command))  # noqa: PERF401  # those before a failure count
        except Refusal as refusal:
            left = _undone(machine, [*(step.undoes(fields) if outs else ()), *undoing])
            raise Refusal(FAILED, f"step {place}: {refusal}{left}") from refusal
        if outs:
            undoing = [*step.undoes(fields), *undoing]
        replies.append({"is_changed": bool(outs), "out": "".join(outs)})
    return replies


def _checked(given: Dict[str, Any]) -> Tuple[Step, Fields]:
    name = arguments.text(given, "do")
    step = STEPS.get(name)
    if step is None:
        raise arguments.bad("do", "is none of {}: {!r}".format(", ".join(STEPS), name))
    unknown = set(given) - set(step.needs) - {"do"}
    if unknown:
        raise arguments.bad("steps", "has a {} with {}".format(name, ", ".join(sorted(unknown))))
    return step, {field: _field(given, field) for field in step.needs if field in given or field not in OPTIONAL}


def _field(given: Dict[str, Any], name: str) -> str:
    value = arguments.text(given, name)
    if not PATTERNS.get(name, NAME).fullmatch(value):
        raise arguments.bad(name, f"cannot be {value!r}")
    return value


def _needed(machine: Machine, step: Step, fields: Fields) -> Sequence[Command]:
    """The commands of a step, none when it is done already."""

    def look(*command: str) -> Optional[str]:
        ran = machine.attempt(*command)
        return None if ran.code else ran.out

    return () if step.is_done(look, fields) else step.does(fields)


def _undone(machine: Machine, commands: Sequence[Command]) -> str:
    """Take back what was done. Returns what to say of what could not be."""
    return "".join("; left: {}".format(" ".join(command)) for command in commands if machine.attempt(*command).code)
