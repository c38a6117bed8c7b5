"""The house rules that a linter does not know: sizes, names, docstrings, and what is banned."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.code.sources import PRODUCT, Function, Source, module_names, nodes, sources

FILES_OVER_400_LINES: Mapping[str, int] = {}
"""A ratchet: path and lines of each long file. The numbers only fall, and a file that is no longer long leaves the table."""

FUNCTIONS_OVER_40_LINES: Mapping[str, int] = {
    "compute_core/store/migrations/versions/0001_the_first_schema.py::_make_instances": 53,
}
"""A ratchet, as above: path::function and its lines, docstring included."""

BROAD_EXCEPTS: Mapping[str, str] = {
    "compute_core/api/portal.py::_step": "hands the error to the greenlet that asked, which raises it",
    "compute_core/bus/delivery.py::_deliver_once": "the border of a process: logs the fault whole; the message goes to the dead letters",
    "compute_core/bus/delivery.py::answer": "the border of a process: logs the fault whole, and the caller hears of it",
    "compute_core/wiring.py::CloudApplication._keep_running": "the border of an agent: logs the fault whole, and starts the agent again",
    "compute_core/cells/loops.py::_repeat": "logs the fault whole and goes on: a cell that stops healing would be worse",
    "compute_core/dom0/protocol.py::answer": "the border of a process: XAPI hands on what went wrong",
    "fake_xapi/dom0/user_plugins.py::run_module": "the border to a user's own code: what it raises is the answer",
    "fake_xapi/engine/dispatch.py::_body": "logs the fault whole and answers INTERNAL_ERROR, as XAPI does",
    "fake_xapi/engine/dispatch.py::_guarded": "as above",
    "fake_xapi/testing.py::_Served._run": "hands the error to the thread that waits for the hosts, which raises it",
    "fake_xapi/transports/calls.py::_answer_later": "the border of a process: logs the fault whole and answers it",
    "fake_xapi/transports/calls.py::answer_call": "as above",
}
"""path::function where everything is caught and not raised again, and why: only at the border of a process, which logs it whole."""

UNSEEDED: Mapping[str, str] = {
    "compute_core/api/clouds.py::load_accounts": "a password must not be guessable",
    "compute_core/bus/amqp.py::AmqpBus.__init__": "processes that share a broker must differ in the names of their reply queues",
    "compute_core/bus/amqp.py::AmqpBus.call": "as above, in the ids of their messages",
    "compute_core/bus/amqp.py::AmqpBus.cast": "as above",
    "compute_core/bus/amqp_consumer.py::Consumer._take_cast": "as above",
    "compute_core/identity/embedded.py::EmbeddedIdentity.__init__": "a password must not be guessable",
    "compute_core/identity/embedded.py::EmbeddedIdentity._store": "a token must not be guessable",
    "compute_core/identity/embedded.py::EmbeddedIdentity.issue": "a token must not be guessable",
    "compute_core/identity/embedded.py::_Hash.of": "the salt of a password must not be guessable",
    "fake_xapi/fleet/accounts.py::Accounts.__init__": "what keeps passwords out of memory must not be guessable",
    "fake_xapi/fleet/accounts.py::hash_password": "the salt of a password must not be guessable",
    "compute_core/api/console_tokens.py::ConsoleTokens.issue": "who guesses a token sees and steers somebody's server",
    "compute_core/xenapi/guest_agent_secrets.py::Exchange.begun": "a private number must not be guessable",
    "compute_core/xenapi/guest_agent.py::_name": "a request of a former life may lie in xenstore still",
    "fake_xapi/fleet/serving.py::served": "sessions of those who come from outside must not be guessable",
}
"""path::function that takes chance from the operating system, and why no stream of a seed will do."""

NAMES_THAT_SAY_NOTHING = frozenset({"base", "common", "data", "helper", "helpers", "misc", "stuff", "util", "utils"})
CLOCKS = frozenset({"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"})
CHANCES = frozenset({"uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4", "os.urandom", "urandom", "token_bytes", "token_hex", "token_urlsafe"})
MUTATORS = frozenset({"add", "append", "appendleft", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"})
CLOCK_READERS: Mapping[str, str] = {
    "compute_core/cli.py::_serve": "the command tells the cloud what date it is when it starts; from then on the loop counts",
    "compute_core/dom0/machine.py::machine_here": "tools refuse a VHD that is from the future of their machine",
    "compute_core/firstgen/cli.py::_mover": "as above, for the journals of moves: who reads them wants to know when",
    "fake_xapi/cli.py::_serve": "as the core, for the simulated hosts",
    "fake_xapi/replay/cli.py::_clock": "a recording tells when real servers answered",
    "scenarios/testbed.py::over_http": "as above, for a rehearsal on real sockets",
}
"""path::function that reads the wall clock, and why it may."""


def length(function: Function) -> int:
    """Lines from ``def`` to the end: the options of a command stand in its decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_every_module_says_what_it_is() -> None:
    assert [source.path for source in sources() if not ast.get_docstring(source.tree)] == []


def test_files_over_400_lines_only_get_fewer_and_shorter() -> None:
    assert {source.path: len(source.lines) for source in sources() if len(source.lines) > 400} == FILES_OVER_400_LINES


def test_functions_over_40_lines_only_get_fewer_and_shorter() -> None:
    found = {f"{source.path}::{name}": length(function) for source in sources() for name, function in source.functions()}
    assert {name: lines for name, lines in found.items() if lines > 40} == FUNCTIONS_OVER_40_LINES


def test_the_median_function_is_short() -> None:
    assert statistics.median(length(function) for source in sources(PRODUCT) for _, function in source.functions()) <= 8


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part for source in sources() for part in source.path.removesuffix(".py").split("/")}
    assert parts & NAMES_THAT_SAY_NOTHING == set()


def test_a_local_container_may_change() -> None:
    tree = ast.parse("KNOWN = {}\ndef f(KNOWN, x):\n KNOWN[x] = 1")
    source = Source("x.py", (), tree)
    [(_, function)] = source.functions()
    assert not changes_a_global(function, source)


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a chain of attributes, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        stem = dotted(node.value)
        return f"{stem}.{node.attr}" if stem else ""
    return ""


def calls(tree: ast.AST) -> Iterator[str]:
    """The dotted names that are called, or handed over to be called."""
    return (dotted(node) for node in nodes(tree) if isinstance(node, ast.Attribute | ast.Name))


def reads_wall_clock(function: Function, source: Source) -> bool:
    del source
    return any(name in CLOCKS or name.endswith((".datetime.now", ".date.today")) for name in calls(function))


def has_bare_chance(function: Function, source: Source) -> bool:
    """Whether a function takes chance from no stream; tests may make names that differ."""
    names = set(calls(function))
    unseeded = {name for name in names if name.startswith(("random.", "secrets."))} - {"random.Random"}
    return bool(unseeded or (names & CHANCES and not source.is_test))


def sleeps_in_a_test(function: Function, source: Source) -> bool:
    return source.is_test and any(name == "time.sleep" for name in calls(function))


def changes_a_global(function: Function, source: Source) -> bool:
    """Whether a function rebinds a name of its module, or changes a container that its module made."""
    if any(isinstance(node, ast.Global) for node in nodes(function)):
        return True
    local = {node.id for node in nodes(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    local |= {node.arg for node in nodes(function) if isinstance(node, ast.arg)}
    changed = {name for node in nodes(function) for name in changed_names(node)}
    return bool(changed & module_names(source.tree) - local)


def changed_names(node: ast.AST) -> set[str]:
    """The name whose container a node changes in place."""
    match node:
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return {name}
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in MUTATORS:
            return {name}
    return set()


def swallows_everything(function: Function, source: Source) -> bool:
    """Whether a function stops every error; one that cleans up and raises again does not."""
    del source
    handlers = (node for node in nodes(function) if isinstance(node, ast.ExceptHandler))
    return any(is_broad(handler.type) and not ends_in_raise(handler) for handler in handlers)


def ends_in_raise(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(dotted(kind) in {"Exception", "BaseException"} for kind in kinds)


Rule = Callable[[Function, Source], bool]
BANNED: Mapping[str, tuple[Rule, Mapping[str, str]]] = {
    "reads the wall clock: time belongs to the event loop": (reads_wall_clock, CLOCK_READERS),
    "takes chance from no named stream": (has_bare_chance, UNSEEDED),
    "sleeps in a test": (sleeps_in_a_test, {}),
    "changes module-level state": (changes_a_global, {}),
    "catches everything": (swallows_everything, BROAD_EXCEPTS),
}


@pytest.mark.parametrize("fault", BANNED)
def test_no_function(fault: str) -> None:
    rule, allowed = BANNED[fault]
    found = {f"{source.path}::{name}" for source in sources() for name, function in source.functions() if rule(function, source)}
    outer = {name for name in found if not any(other.startswith(f"{name}.") for other in found)}
    assert outer == set(allowed)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (reads_wall_clock, "def f(): return time.time()"),
        (reads_wall_clock, "def f(): return datetime.datetime.now(tz)"),
        (has_bare_chance, "def f(): return random.choice(x)"),
        (changes_a_global, "def f():\n global x\n x = 1"),
        (changes_a_global, "KNOWN = {}\ndef f(x): KNOWN[x] = 1"),
        (changes_a_global, "KNOWN: list[int] = []\ndef f(x): KNOWN.append(x)"),
        (swallows_everything, "def f():\n try: g()\n except Exception: pass"),
        (swallows_everything, "def f():\n try: g()\n except (ValueError, BaseException): pass"),
        (swallows_everything, "def f():\n try: g()\n except: pass"),
        (swallows_everything, "def f():\n try: g()\n except Exception as e: raise KeyError from e"),
        (has_bare_chance, "def f(): return uuid4()"),
    ],
)
def test_a_rule_finds_what_it_bans(rule: Rule, code: str) -> None:
    tree = ast.parse(code)
    [(_, function)] = Source("x.py", (), tree).functions()
    assert rule(function, Source("x.py", (), tree))
