"""The path of a call: name, count, types, session, role, refs, marks, body; with XAPI's refusals in XAPI's order.

What can be answered at once is; for everything else the transport gets a coroutine to await.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.types import NULL_REF
from fake_xapi.dom0.user_plugins import run_extension
from fake_xapi.engine import audit, rbac
from fake_xapi.engine.admission import Mark
from fake_xapi.engine.call import Done, Outcome, RunningCall
from fake_xapi.engine.forwarding import check_reachable
from fake_xapi.engine.marshal import Dead, first_dead, internal_error, mismatch
from fake_xapi.engine.routes import Route
from fake_xapi.engine.sessions import NOBODY, Session
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Wire

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi

log = logging.getLogger(__name__)
ASYNC_PREFIXES = ("Async.", "InternalAsync.")
MAY_HOLD_DEAD = (Dead, list, dict)


def dispatch(xapi: Xapi, method: str, params: list[Any]) -> Any:
    """Answer a call with a wire value, or with a coroutine that returns one; raises Failure with texts as parameters."""
    try:
        route = xapi.routes.get(method) or _find(xapi, method)
        if route is None:
            return _irregular(xapi, method, params)
        caller, values = _entered(xapi, route, method, params)
        if route.audit is not None:
            return _audited(xapi, route, route.audit, method, caller, values)
        return _answered(xapi, route, method, caller, values)
    except Failure as failure:
        raise rendered(xapi.world, failure) from None


def _answered(xapi: Xapi, route: Route, method: str, caller: Session, values: list[Any]) -> Any:
    """The answer to a well-formed call, or a coroutine that returns it."""
    if caller.may is not None:
        _check_role(xapi, route, caller, values)
    _check_refs(route, values)
    if route.accessor is not None:
        return route.accessor(xapi, *values)
    if xapi.lost:
        check_reachable(xapi, route, values)
    return _run(RunningCall(xapi, route.message, method, caller.identity), route, values)


def _audited(xapi: Xapi, route: Route, plan: audit.Plan, method: str, caller: Session, values: list[Any]) -> Any:
    """As ``_answered``, with a line in the audit log once the outcome is known."""
    arguments = audit.arguments_of(xapi.world, plan, values)
    try:
        answer = _answered(xapi, route, method, caller, values)
    except Failure as failure:
        _note(xapi, plan.action, caller, arguments, failure)
        raise
    if isinstance(answer, Coroutine):
        return _audited_later(xapi, plan.action, caller, arguments, answer)
    _note(xapi, plan.action, caller, arguments, None)
    return answer


async def _audited_later(xapi: Xapi, action: str, caller: Session, arguments: audit.Arguments, answer: Coroutine[Any, Any, Any]) -> Any:
    try:
        value = await answer
    except Failure as failure:
        _note(xapi, action, caller, arguments, failure)
        raise
    _note(xapi, action, caller, arguments, None)
    return value


def _note(xapi: Xapi, action: str, caller: Session, arguments: audit.Arguments, failure: Failure | None) -> None:
    audit.note(xapi, caller.who, action, arguments, None if failure is None else rendered(xapi.world, failure))


def rendered(world: World, failure: Failure) -> Failure:
    """The failure with every object among its parameters as a ref."""
    return Failure(failure.code, *(_param(world, param) for param in failure.params))


def _param(world: World, param: str | Handle) -> str:
    if isinstance(param, Handle):
        return world.ref(param) if param else NULL_REF
    return param


def _find(xapi: Xapi, method: str) -> Route | None:
    try:
        return xapi.routes[method]
    except KeyError:
        return None


def _entered(xapi: Xapi, route: Route, method: str, params: list[Any]) -> tuple[Session, list[Any]]:
    """The caller and the state values of a well-formed call; dangling refs are still among them."""
    given = params
    needs_session = route.message.needs_session
    if needs_session:
        given = params[1:]
    if not route.least <= len(given) <= route.most or (needs_session and not params):
        raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, str(route.least), str(len(given)))
    if len(given) < route.most:
        given = [*given, *route.defaults[len(given) - route.least :]]
    world = xapi.world
    values = [enter(world, value) for enter, value in zip(route.enter, given, strict=True)]
    caller = _caller(xapi, params[0]) if needs_session else NOBODY
    _check_message(route, method, caller)
    return caller, values


def _caller(xapi: Xapi, ref: object) -> Session:
    if not isinstance(ref, str):
        raise mismatch(xapi.world, "string", ref)
    return xapi.sessions.caller(ref)


def _check_message(route: Route, method: str, caller: Session) -> None:
    message = route.message
    if message.is_removed:
        raise Failure("MESSAGE_REMOVED")
    if message.is_deprecated_stub:
        raise Failure("MESSAGE_DEPRECATED")
    if message.is_pool_internal and not caller.is_pool:
        raise internal_error(f'Internal API "{method}" call attempted with non-pool (external) session')


def _check_role(xapi: Xapi, route: Route, caller: Session, values: list[Any]) -> None:
    """Raise RBAC_PERMISSION_DENIED [permission, message] when none of the caller's roles allows it; a superuser has no roles."""
    if caller.may is not None and (permission := rbac.needed(route.message, values)) not in caller.may:
        raise rbac.denied(xapi.personality.name, permission)


def _check_refs(route: Route, values: list[Any]) -> None:
    """Raise HANDLE_INVALID [class, ref] for the first dangling ref, and for NULL where an object is needed."""
    if values and route.self_cls and values[0] == NULL and not isinstance(values[0], Dead):
        raise Failure("HANDLE_INVALID", route.self_cls, NULL_REF)
    for place, value in enumerate(values):
        if isinstance(value, MAY_HOLD_DEAD) and (dead := first_dead(value)) is not None and place not in route.foreign:
            raise Failure("HANDLE_INVALID", dead.cls, dead.ref)


def _irregular(xapi: Xapi, method: str, params: list[Any]) -> Any:
    """Answer a name that is not a message of the release: its Async form, XML-RPC's own methods, or an unknown one."""
    prefix = next((prefix for prefix in ASYNC_PREFIXES if method.startswith(prefix)), "")
    route = _find(xapi, method.removeprefix(prefix)) if prefix and "." in method.removeprefix(prefix) else None
    if route is not None:
        return _begin_async(xapi, route, method, params)
    if method == "system.listMethods":
        return sorted({message.wire_name for message in xapi.world.personality.messages.values()})
    if method.startswith("system.isAlive:") and params:
        return params[0]
    if params and xapi.world.personality.era == "modern":
        _caller(xapi, params[0])
        if method in xapi.settings.plugins.extensions:
            return run_extension(xapi.settings.plugins.extensions[method], method, params)
    raise Failure("MESSAGE_METHOD_UNKNOWN", method)


async def perform(xapi: Xapi, session: Id, name: str, values: Sequence[Any]) -> Any:
    """Answer a message that comes from within, with state values as params."""
    route = _find(xapi, name)
    if route is None:
        raise Failure("MESSAGE_METHOD_UNKNOWN", name)
    if route.accessor is not None:
        return route.accessor(xapi, *values)
    answer = _run(RunningCall(xapi, route.message, name, session), route, list(values))
    return await answer if isinstance(answer, Coroutine) else answer


def _run(call: RunningCall, route: Route, values: list[Any]) -> Any:
    """Run a verb: at once when it is a plain function and nothing is in its way."""
    if route.is_coroutine:
        return _awaited(call, route, values)
    marks = _marks(route, values)
    failure = call.xapi.admission.refusal(marks) if marks else None
    if failure is None:
        return _wire(call, route, _guarded(call, route, values))
    if call.xapi.admission.will_wait(failure):
        return _awaited(call, route, values)
    raise failure


def _guarded(call: RunningCall, route: Route, values: list[Any]) -> Any:
    try:
        return route.body(call, *values)
    except Failure as failure:
        raise _about_a_parameter(route, values, failure) from None
    except Exception as error:
        log.exception("%s failed in a way that XAPI does not know", call.name)
        raise internal_error(repr(error)) from error


def _about_a_parameter(route: Route, values: list[Any], failure: Failure) -> Failure:
    """A failure; where a verb looked for the object of NULL, with the class of the parameter that is NULL."""
    if failure.code != "HANDLE_INVALID" or failure.params[:1] != ("",):
        return failure
    kinds = (param.type for param, value in zip(route.message.params, values, strict=True) if param.type.is_ref and value == NULL)
    return Failure("HANDLE_INVALID", next((kind.name for kind in kinds), ""), NULL_REF)


def _wire(call: RunningCall, route: Route, value: Any) -> Any:
    return value.value if isinstance(value, Wire) else route.leave(call.world, value)


def _marks(route: Route, values: list[Any]) -> tuple[Mark, ...]:
    return ((values[0], route.operation),) if route.operation else ()


async def _awaited(call: RunningCall, route: Route, values: list[Any]) -> Any:
    try:
        return await _performed(call, route, values)
    except Failure as failure:
        raise rendered(call.world, failure) from None


async def _performed(call: RunningCall, route: Route, values: list[Any]) -> Any:
    """Admit, mark, run; unmark and end the task in one commit, whatever the outcome."""
    call.about = values
    marks = _marks(route, values)
    admission, keys = call.xapi.admission, [""]
    outcome: Outcome = None

    def key_of(edit: Edit) -> str:
        keys[0] = keys[0] or call.open_task(edit)
        return keys[0]

    try:
        await admission.enter(marks, key_of)
        outcome = Done(_wire(call, route, await _body(call, route, values)))
    except Failure as failure:
        outcome = rendered(call.world, failure)
        raise
    finally:
        with call.world.edit() as edit:
            admission.leave(edit, marks if keys[0] else (), keys[0])
            call.end(edit, outcome)
    return outcome.value


async def _body(call: RunningCall, route: Route, values: list[Any]) -> Any:
    if not route.is_coroutine:
        return _guarded(call, route, values)
    try:
        return await route.body(call, *values)
    except Failure as failure:
        raise _about_a_parameter(route, values, failure) from None
    except Exception as error:
        log.exception("%s failed in a way that XAPI does not know", call.name)
        raise internal_error(repr(error)) from error


def _begin_async(xapi: Xapi, route: Route, method: str, params: list[Any]) -> str:
    """Start a call in the background and return its task; malformed calls are refused at once."""
    if not route.message.is_async:
        raise Failure("Fault", f"No async mode for this operation (rpc: {method.partition('.')[2]})")
    caller, values = _entered(xapi, route, method, params)
    call = RunningCall(xapi, route.message, method, caller.identity, outlives=True)
    with xapi.world.edit() as edit:
        call.task = xapi.tasks.begin(edit, method, caller.identity)
    xapi.tasks.remember(call.task)
    xapi.calls[call.task] = call
    xapi.spawn(f"task {call.task}", _outliving(call, route, caller, values))
    return xapi.world.ref(call.task)


async def _outliving(call: RunningCall, route: Route, caller: Session, values: list[Any]) -> None:
    """Run a call in the background; its outcome goes to its task, and to the audit log."""
    arguments = audit.arguments_of(call.world, route.audit, values) if route.audit is not None else ()
    failed: Failure | None = None
    try:
        _check_role(call.xapi, route, caller, values)
        _check_refs(route, values)
        if route.accessor is None:
            check_reachable(call.xapi, route, values)
            await _performed(call, route, values)
        else:
            call.end_now(Done(route.accessor(call.xapi, *values)))
    except Failure as failure:
        failed = rendered(call.world, failure)
        call.end_now(failed)
    if route.audit is not None:
        audit.note(call.xapi, caller.who, route.audit.action, arguments, failed)
