"""A Python client for the control plane: ``Control("http://127.0.0.1:8079").add_fault({...})``.

Methods have the names of the control plane's operations, and return the same plain values as ``Simulation`` in the simulation's own
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
        """Kill or revive a host."""
        return self._ask("PUT", f"/hosts/{quote(host)}/alive", {"alive": alive})

    def fork_host(self, host: str) -> Plain:
        """Add a host that begins as a copy of a stand-alone host."""
        return self._ask("POST", f"/hosts/{quote(host)}/fork")

    # ---- worlds -----------------------------------------------------------------------------------------------------------

    def world(self, host: str) -> Plain:
        """The size of a host's world, and how far back its journal goes."""
        return self._ask("GET", f"/worlds/{quote(host)}")

    def objects(self, host: str, cls: str, **query: Any) -> Plain:
        """Records of a class, a page at a time: ``after`` and ``limit``."""
        return self._ask("GET", f"/worlds/{quote(host)}/objects/{quote(cls)}", query=query)

    def keep_journals(self, entries: int, hosts: str = "*") -> Plain:
        """Keep that many generations of worlds from now on; 0 keeps none."""
        return self._ask("PUT", "/journal", {"entries": entries, "hosts": hosts})

    def journal(self, host: str, **query: Any) -> Plain:
        """The recorded generations of a world, newest first: ``before`` and ``limit``."""
        return self._ask("GET", f"/worlds/{quote(host)}/journal", query=query)

    def rewind(self, host: str, generation: int) -> Plain:
        """Return a world to a generation of its journal."""
        return self._ask("POST", f"/worlds/{quote(host)}/rewind", {"generation": generation})

    def diff_world(self, host: str, old: str, new: str = "now", **query: Any) -> Plain:
        """The differences in a world between two moments: names of snapshots, generations, or ``now``."""
        return self._ask("GET", f"/worlds/{quote(host)}/diff", query={"old": old, "new": new, **query})

    # ---- snapshots --------------------------------------------------------------------------------------------------------

    def snapshots(self) -> Plain:
        """The snapshots of the whole fleet."""
        return self._ask("GET", "/snapshots")

    def take_snapshot(self, name: str) -> Plain:
        """Take a snapshot of every world and disk."""
        return self._ask("POST", "/snapshots", {"name": name})

    def diff_snapshots(self, old: str, new: str = "now") -> Plain:
        """The number of objects that differ in every world."""
        return self._ask("GET", "/snapshots/diff", query={"old": old, "new": new})

    def remove_snapshot(self, name: str) -> None:
        """Delete a snapshot."""
        self._ask("DELETE", f"/snapshots/{quote(name)}")

    def restore_snapshot(self, name: str) -> Plain:
        """Restore every world."""
        return self._ask("POST", f"/snapshots/{quote(name)}/restore")

    def save(self, file: str) -> Plain:
        """Write the fleet as it is now to a file in the simulation's snapshot folder."""
        return self._ask("POST", "/save", {"file": file})

    def load(self, file: str, name: str) -> Plain:
        """Make a snapshot from such a file."""
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
        """The vocabulary of rules: effects, phases, FIST points."""
        return self._ask("GET", "/faults/vocabulary")

    def fault(self, handle: int) -> Plain:
        """One rule in force."""
        return self._ask("GET", f"/faults/{handle}")

    def remove_fault(self, handle: int) -> None:
        """Remove a rule, and release the calls that it holds."""
        self._ask("DELETE", f"/faults/{handle}")

    def release_fault(self, handle: int) -> Plain:
        """Release the calls that a rule holds now, not later ones."""
        return self._ask("POST", f"/faults/{handle}/release")

    # ---- clock ------------------------------------------------------------------------------------------------------------

    def clock(self) -> Plain:
        """The date, and the pace of time."""
        return self._ask("GET", "/clock")

    def set_pace(self, **pace: Any) -> Plain:
        """Change the ``speed``; stop or restart the time: ``paused``."""
        return self._ask("PATCH", "/clock", pace)

    def step(self, count: int = 1) -> Plain:
        """Advance to the next timer and let it fire."""
        return self._ask("POST", "/clock/step", {"count": count})

    def jump(self, seconds: float) -> Plain:
        """Let that much time pass at once."""
        return self._ask("POST", "/clock/jump", {"seconds": seconds})

    # ---- traffic ----------------------------------------------------------------------------------------------------------

    def counters(self) -> Plain:
        """Calls, errors and latencies by message."""
        return self._ask("GET", "/counters")

    def reset_counters(self) -> None:
        """Reset all counters."""
        self._ask("DELETE", "/counters")

    def calls(self, **query: Any) -> Plain:
        """The latest calls that match: ``message``, ``host`` and ``outcome`` are globs; ``after`` and ``limit``."""
        return self._ask("GET", "/calls", query=query)

    def follow_calls(self, **query: Any) -> Generator[Plain, None, None]:
        """Each matching call as it ends, for as long as the caller iterates."""
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
        """A response with a success status; the caller has to close its connection."""
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
