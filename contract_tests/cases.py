"""Cases made from a recording, and their execution against a server: the same calls, answers of the same shape.

Where a call uses something from an earlier answer there is a name, bound where it first appeared. May not know who made the cases.
"""

from __future__ import annotations

import functools
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from contract_tests.capabilities import Server, ask
from contract_tests.shapes import differences, error_differences, told
from contract_tests.target import Target
from contract_tests.waiting import until

FORMAT: Final = "inova cases 1"
SLOWEST: Final = 5


class BadCases(ValueError):
    """A file without valid cases; the message names the cure."""


class Missing(LookupError):
    """A name to which nothing on this server corresponds."""


class Differs(AssertionError):
    """An answer that differs from the recording: one line for each difference."""


@dataclass(frozen=True, slots=True)
class Case:
    """One call and its expected outcome. ``binds`` are the names that its answer defines, with the steps to them."""

    name: str
    method: str
    params: list[Any]
    expects: Mapping[str, Any]
    binds: Mapping[str, list[Any]] = field(default_factory=dict)
    has_session: bool = True
    changes: bool = False
    took_s: float = 0.0

    def __str__(self) -> str:
        return self.name


def read_cases(path: Path) -> list[Case]:
    """The cases in a file; BadCases when it has none."""
    try:
        return cases_of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadCases(f"{path} cannot be read ({error}); make it with inova sim cases") from error
    except BadCases as error:
        raise BadCases(f"{path}: {error}") from error


def cases_of(plain: Any) -> list[Case]:
    """The cases in a file's content; BadCases for any other content."""
    if not isinstance(plain, dict) or plain.get("format") != FORMAT or not isinstance(plain.get("cases"), list):
        raise BadCases(f"no cases of the format {FORMAT!r}; make them with inova sim cases")
    try:
        return [Case(**case) for case in plain["cases"]]
    except TypeError as error:
        raise BadCases(f"damaged ({error}); make them anew with inova sim cases") from error


@dataclass(slots=True)
class Replayer:
    """Runs cases in their order over one session, and remembers how long each took compared with the recording."""

    target: Target
    may_change: bool = False
    names: dict[str, Any] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    server: Server | None = None
    _client: Any = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def hold(self, case: Case) -> None:
        """Make the call, and compare. Raises Differs for another answer; skips cases that would change something, or lack an object."""
        if case.changes and not self.may_change:
            pytest.skip("it may change something: ask for it with --mutating")
        try:
            params = [self._resolved(param) for param in case.params]
        except Missing as missing:
            pytest.skip(f"nothing on this server is {missing}")
        began = time.perf_counter()
        answer = self._ask(case, params)
        if case.took_s > 0:
            self.ratios[case.name] = (time.perf_counter() - began) / case.took_s
        found = self._compared(case, answer)
        if found:
            raise Differs("\n".join([f"{case.method} {params}", *found]))

    def _ask(self, case: Case, params: list[Any]) -> Any:
        session = self._session()
        call = functools.reduce(getattr, case.method.split("."), session)
        answer = call(*([session.handle] if case.has_session else []), *params)
        if _is_success(answer):
            self._bind(case, _value(answer))
            if case.method.startswith("Async."):
                until(lambda: session.xenapi.task.get_status(_value(answer)) != "pending", f"the end of {case.name}")
        return answer

    def _compared(self, case: Case, answer: Any) -> list[str]:
        if "error" in case.expects:
            if _is_success(answer):
                return [f"expected {case.expects['error']}, was done"]
            return error_differences((case.expects["error"], case.expects["params"]), list(answer["ErrorDescription"]))
        if not _is_success(answer):
            return [f"was refused with {answer['ErrorDescription']}"]
        return told(differences(case.expects["result"], _value(answer)))

    def _session(self) -> Any:
        """The session, opened with the first case."""
        if self._client is None:
            self._client = self._stack.enter_context(self.target.session())
            self.server = ask(self.target, self._client)
        return self._client

    def close(self) -> None:
        """Log out."""
        self._stack.close()

    # ---- names ------------------------------------------------------------------------------------------------------------------

    def _resolved(self, param: Any) -> Any:
        """A parameter with names replaced by their counterparts here; numbers are sent as the texts that XAPI makes of them."""
        match param:
            case str() if param.startswith("$"):
                return param[1:] if param.startswith("$$") else self._named(param)
            case bool() | float() | str():
                return param
            case int():
                return str(param)
            case list():
                return [self._resolved(member) for member in param]
            case dict():
                return {self._resolved(key): self._resolved(member) for key, member in param.items()}
        return param

    def _named(self, name: str) -> Any:
        if name not in self.names:
            raise Missing(name)
        return self.names[name]

    def _bind(self, case: Case, value: Any) -> None:
        for name, path in case.binds.items():
            try:
                self.names[name] = functools.reduce(_step, path, value)
            except (LookupError, TypeError):
                self.names.pop(name, None)

    def summary(self) -> Iterator[str]:
        """How long calls took compared with the recording."""
        if self.ratios:
            ranked = sorted(self.ratios.items(), key=lambda pair: -pair[1])
            yield f"latencies: {statistics.median(self.ratios.values()):.2f} times those recorded, in the median of {len(ranked)} calls"
            yield from (f"  {ratio:8.2f} times: {name}" for name, ratio in ranked[:SLOWEST])


def _is_success(answer: Any) -> bool:
    """Whether an answer is a success; one without a status, such as the list of methods, is."""
    return not isinstance(answer, dict) or answer.get("Status", "Success") == "Success"


def _value(answer: Any) -> Any:
    return answer["Value"] if isinstance(answer, dict) and "Status" in answer else answer


def _step(value: Any, step: list[Any]) -> Any:
    kind, place, *more = step
    if kind == "in":
        return value[place]
    if kind == "key":
        return _most_alike(value, place, more[0] if more else {})
    return (value if isinstance(value, list) else list(value.values()))[place]


def _most_alike(records: Mapping[str, Any], place: int, fields: Mapping[str, Any]) -> str:
    """The key of the same object, or else of the one with most equal fields, or else of the one in the same place; LookupError for none."""

    def likeness(key: str) -> tuple[bool, int]:
        record = records[key] if isinstance(records[key], dict) else {}
        return record.get("uuid", "") == fields.get("uuid"), sum(record.get(name) == fields[name] for name in fields)

    keys = list(records)
    if not fields:
        return keys[place]
    if not keys:
        raise LookupError("nothing is there")
    usual = keys[min(place, len(keys) - 1)]
    return max([usual, *keys], key=likeness)
