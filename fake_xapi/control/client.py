"""The control plane's other end, for Python: ``Control("http://127.0.0.1:8079").add_fault({...})``.

Methods are named as the operations of the control plane, and answer the same plain values as ``Simulation`` in the simulation's own
process. May not know the simulation: it dials a URL.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from fake_xapi.control.guard import HEADER

DEFAULT_URL = "http://127.0.0.1:8079"
TIMEOUT_S = 330.0

Plain = dict[str, Any]


class ControlError(Exception):
    """The control plane refused, or cannot be reached; the text has the cure. ``status`` is 0 when nothing answered."""

    def __init__(self, message: str, status: int = 0, code: str = "unreachable") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Control:
    """One running simulation. Raises ControlError."""

    def __init__(self, url: str = DEFAULT_URL, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ControlError(f"{url!r} is no URL of a control plane; write it like {DEFAULT_URL}")
        self.url = url.rstrip("/")
        self._address = (parts.hostname, parts.port or 80)
        self._timeout_s = timeout_s

    # ---- hosts ------------------------------------------------------------------------------------------------------------

    def hosts(self, **query: Any) -> Plain:
        """Hosts, a page at a time: ``name`` is a glob, ``state``, ``after`` and ``limit``."""
        return self._ask("GET", "/hosts", query=query)

    def host(self, host: str) -> Plain:
        """One host with its VMs, storage and tasks."""
        return self._ask("GET", f"/hosts/{quote(host)}")

    def set_alive(self, host: str, *, alive: bool) -> Plain:
        """Let a host die, or live again."""
        return self._ask("PUT", f"/hosts/{quote(host)}/alive", {"alive": alive})

    def fork_host(self, host: str) -> Plain:
        """A host more, which begins where a stand-alone host is now."""
        return self._ask("POST", f"/hosts/{quote(host)}/fork")

    # ---- worlds -----------------------------------------------------------------------------------------------------------

    def world(self, host: str) -> Plain:
        """How large the world of a host is, and how far back it is known."""
        return self._ask("GET", f"/worlds/{quote(host)}")

    def objects(self, host: str, cls: str, **query: Any) -> Plain:
        """Records of a class, a page at a time: ``after`` and ``limit``."""
        return self._ask("GET", f"/worlds/{quote(host)}/objects/{quote(cls)}", query=query)

    def keep_journals(self, entries: int, hosts: str = "*") -> Plain:
        """Keep so many generations of worlds from now on; 0: none."""
        return self._ask("PUT", "/journal", {"entries": entries, "hosts": hosts})

    def journal(self, host: str, **query: Any) -> Plain:
        """The generations of a world that are kept, newest first: ``before`` and ``limit``."""
        return self._ask("GET", f"/worlds/{quote(host)}/journal", query=query)

    def rewind(self, host: str, generation: int) -> Plain:
        """Let a world be again what it was in a generation of its journal."""
        return self._ask("POST", f"/worlds/{quote(host)}/rewind", {"generation": generation})

    def diff_world(self, host: str, old: str, new: str = "now", **query: Any) -> Plain:
        """What differs in a world between two moments: names of snapshots, generations, or ``now``."""
        return self._ask("GET", f"/worlds/{quote(host)}/diff", query={"old": old, "new": new, **query})

    # ---- snapshots --------------------------------------------------------------------------------------------------------

    def snapshots(self) -> Plain:
        """The snapshots of the whole fleet."""
        return self._ask("GET", "/snapshots")

    def take_snapshot(self, name: str) -> Plain:
        """Remember every world and disk as it is now."""
        return self._ask("POST", "/snapshots", {"name": name})

    def diff_snapshots(self, old: str, new: str = "now") -> Plain:
        """How many objects differ in every world."""
        return self._ask("GET", "/snapshots/diff", query={"old": old, "new": new})

    def remove_snapshot(self, name: str) -> None:
        """Forget a snapshot."""
        self._ask("DELETE", f"/snapshots/{quote(name)}")

    def restore_snapshot(self, name: str) -> Plain:
        """Let every world be again what it was."""
        return self._ask("POST", f"/snapshots/{quote(name)}/restore")

    def save(self, file: str) -> Plain:
        """Write the fleet as it is now to a file in the simulation's snapshot folder."""
        return self._ask("POST", "/save", {"file": file})

    def load(self, file: str, name: str) -> Plain:
        """Make a snapshot of such a file."""
        return self._ask("POST", "/load", {"file": file, "name": name})

    # ---- faults -----------------------------------------------------------------------------------------------------------

    def faults(self) -> Plain:
        """The rules in force, with their counts."""
        return self._ask("GET", "/faults")

    def add_fault(self, rule: Mapping[str, Any]) -> Plain:
        """Put a rule in force: ``{"effect": {"kind": "delay", "seconds": 3}, "message": "VM.*"}``."""
        return self._ask("POST", "/faults", dict(rule))

    def clear_faults(self) -> None:
        """Remove all rules."""
        self._ask("DELETE", "/faults")

    def vocabulary(self) -> Plain:
        """What a rule may say: effects, phases, FIST points."""
        return self._ask("GET", "/faults/vocabulary")

    def fault(self, handle: int) -> Plain:
        """One rule in force."""
        return self._ask("GET", f"/faults/{handle}")

    def remove_fault(self, handle: int) -> None:
        """Take a rule out of force, and let go what it holds."""
        self._ask("DELETE", f"/faults/{handle}")

    def release_fault(self, handle: int) -> Plain:
        """Let go what a rule holds now; later calls it holds again."""
        return self._ask("POST", f"/faults/{handle}/release")

    # ---- clock ------------------------------------------------------------------------------------------------------------

    def clock(self) -> Plain:
        """What date it is, and how fast time passes."""
        return self._ask("GET", "/clock")

    def set_pace(self, **pace: Any) -> Plain:
        """Change the ``speed``; let the time stand still or go on: ``paused``."""
        return self._ask("PATCH", "/clock", pace)

    def step(self, count: int = 1) -> Plain:
        """Go to the next timer and let it fire."""
        return self._ask("POST", "/clock/step", {"count": count})

    def jump(self, seconds: float) -> Plain:
        """Let so much time pass at once."""
        return self._ask("POST", "/clock/jump", {"seconds": seconds})

    # ---- traffic ----------------------------------------------------------------------------------------------------------

    def counters(self) -> Plain:
        """Calls, errors and latencies by message."""
        return self._ask("GET", "/counters")

    def reset_counters(self) -> None:
        """Count from nothing again."""
        self._ask("DELETE", "/counters")

    def calls(self, **query: Any) -> Plain:
        """The last calls that match: ``message``, ``host`` and ``outcome`` are globs; ``after`` and ``limit``."""
        return self._ask("GET", "/calls", query=query)

    def follow_calls(self, **query: Any) -> Generator[Plain, None, None]:
        """Each call that matches, as it ends, for as long as somebody asks for the next."""
        connection, response = self._open("GET", f"/calls/stream{_query(query)}", None)
        try:
            for line in response:
                if line.startswith(b"data: "):
                    yield json.loads(line[len(b"data: ") :])
        finally:
            connection.close()

    def metrics(self) -> str:
        """Metrics in the text format of Prometheus."""
        connection, response = self._open("GET", "/metrics", None)
        try:
            return response.read().decode()
        finally:
            connection.close()

    # ---- the wire ---------------------------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None) -> Plain:
        connection, response = self._open(method, f"{path}{_query(query or {})}", body)
        try:
            content = response.read()
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()
        answer: Plain = json.loads(content) if content else {}
        return answer

    def _open(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[HTTPConnection, HTTPResponse]:
        """A response whose head says success; its connection is the caller's to close."""
        connection = HTTPConnection(*self._address, timeout=self._timeout_s)
        headers = {HEADER: "client", **({"Content-Type": "application/json"} if body is not None else {})}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise _refusal(response.status, response.read())
        except (OSError, HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from error
        except ControlError:
            connection.close()
            raise
        return connection, response

    def _unreachable(self, error: Exception) -> ControlError:
        return ControlError(f"no control plane answers at {self.url} ({error}); start one: inova sim serve --control-port 8079")


def _query(query: Mapping[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _refusal(status: int, content: bytes) -> ControlError:
    try:
        error = json.loads(content)["error"]
        return ControlError(error["message"], status, error["code"])
    except (ValueError, KeyError, TypeError):
        return ControlError(f"{status}: {content[:200].decode(errors='replace')}; is this a control plane?", status, "error")
