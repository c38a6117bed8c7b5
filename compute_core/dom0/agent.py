"""Requests to the agent in a guest: written to ``data/host/ID`` of its domain in xenstore, answered at ``data/guest/ID``.

Several are put one after the other in one call, since every one of them is a few bytes and a wait.
"""

import json
from typing import Any, Dict, List

from compute_core.dom0 import arguments, xenstore
from compute_core.dom0.machine import Machine
from compute_core.dom0.refusal import FAILED, REBOOTED, TIMED_OUT, Arguments, Refusal

_REQUEST = "/local/domain/{}/data/host/{}"
_ANSWER = "/local/domain/{}/data/guest/{}"
_PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Before the first looks."""
_WATCHES_S = (1.0, 2.0, 5.0, 15.0)
"""How long xenstore may then take to tell of a change; the last one repeats. An answer between a look and its watch is seen after it."""


def ask(machine: Machine, given: Arguments) -> List[Dict[str, str]]:
    """What the agent of the domain ``domid`` answers to ``requests``, maps of ``name`` and ``value``, each within ``timeout_s``.

    ``id`` names the requests in xenstore; who asks again uses another. A list of ``{"returncode", "message"}`` comes back; it ends at the
    first answer whose code is not among the request's ``accepts`` ("0" unless given; null: any code, and that none comes, which is the
    code TIMEOUT). A request may have a ``timeout_s`` of its own.
    Refusal TIMED_OUT, REBOOTED when the domain goes away, FAILED for an answer that is none; the text says which request it was.
    """
    domid = arguments.number(given, "domid")
    identity = arguments.label(given, "id")
    timeout_s = arguments.seconds(given, "timeout_s", 30.0)
    requests = [_checked(request, timeout_s) for request in arguments.maps(given, "requests")]
    if not xenstore.is_domain(machine, domid):
        raise Refusal(REBOOTED, f"there is no domain {domid}")
    answers: List[Dict[str, str]] = []
    for place, request in enumerate(requests):
        paths = [path.format(domid, f"{identity}-{place}") for path in (_REQUEST, _ANSWER)]
        put = _whatever if request["accepts"] is None else _answered
        answers.append(put(machine, domid, paths, request))
        if request["accepts"] is not None and answers[-1]["returncode"] not in request["accepts"]:
            break
    return answers


def _checked(request: Dict[str, Any], timeout_s: float) -> Dict[str, Any]:
    if "value" not in request:
        raise arguments.bad("requests", "has one without a value")
    accepts = request.get("accepts", ["0"])
    if accepts is not None and not (isinstance(accepts, list) and all(isinstance(code, str) for code in accepts)):
        raise arguments.bad("accepts", "is no list of codes")
    name, own_s = arguments.text(request, "name"), arguments.seconds(request, "timeout_s", timeout_s)
    return {"name": name, "value": request["value"], "accepts": accepts, "timeout_s": own_s}


def _whatever(machine: Machine, domid: int, paths: List[str], request: Dict[str, Any]) -> Dict[str, str]:
    """Agents there are that say nothing to what they do not know."""
    try:
        return _answered(machine, domid, paths, request)
    except Refusal as refusal:
        if refusal.kind != TIMED_OUT:
            raise
        return {"returncode": "TIMEOUT", "message": str(refusal)}


def _answered(machine: Machine, domid: int, paths: List[str], request: Dict[str, Any]) -> Dict[str, str]:
    """Nothing of the request is left behind, however it ends."""
    asked, answered = paths
    xenstore.put(machine, asked, json.dumps({"name": request["name"], "value": request["value"]}))
    try:
        text = _awaited(machine, domid, answered, request["name"], request["timeout_s"])
    finally:
        xenstore.remove(machine, asked)
    xenstore.remove(machine, answered)
    return _decoded(request["name"], text)


def _awaited(machine: Machine, domid: int, path: str, name: str, timeout_s: float) -> str:
    waited_s, looks = 0.0, 0
    while True:
        text = xenstore.value_at(machine, path)
        if text is not None:
            return text
        if not xenstore.is_domain(machine, domid):
            raise Refusal(REBOOTED, f"{name}: the domain {domid} is gone")
        if waited_s >= timeout_s:
            raise Refusal(TIMED_OUT, f"{name}: no answer from the agent within {timeout_s:g} seconds")
        waited_s, looks = waited_s + _paused(machine, path, looks, timeout_s - waited_s), looks + 1


def _paused(machine: Machine, path: str, looks: int, left_s: float) -> float:
    """Wait before the next look: how many seconds count for it."""
    if looks < len(_PAUSES_S):
        pause_s = min(_PAUSES_S[looks], left_s)
        machine.pauses(pause_s)
        return pause_s
    return xenstore.watched(machine, path, min(_WATCHES_S[min(looks - len(_PAUSES_S), len(_WATCHES_S) - 1)], left_s))


def _decoded(name: str, text: str) -> Dict[str, str]:
    try:
        value = json.loads(text)
        return {"returncode": str(value["returncode"]), "message": str(value["message"])}
    except (ValueError, KeyError, TypeError) as problem:
        raise Refusal(FAILED, f"{name}: the agent answered what is no answer: {text:.100}") from problem
