"""Who may use the control plane: clients on this machine that mean to.

It listens on loopback alone. A page of another origin in a browser on this machine is kept out three times over: a name of ours in
``Host`` (a name that was rebound to 127.0.0.1 is another), an ``Origin`` that is our own where there is one, and for whatever changes
something a header that a page can only send after a preflight, which nothing here grants.
"""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.control.errors import Forbidden

HEADER = "X-Inova-Control"
_NAMES = ("127.0.0.1", "localhost", "[::1]")
_OURS = frozenset({"same-origin", "none"})


def check(method: str, headers: Mapping[str, str], port: int) -> None:
    """Raise Forbidden, with the cure, for a request that does not come from here."""
    hosts = {f"{name}:{port}" for name in _NAMES} | ({*_NAMES} if port == 80 else set())
    host = headers.get("Host", "").lower()
    if host not in hosts:
        raise Forbidden(f"the host {host!r} is not this one; ask for http://127.0.0.1:{port}")
    origin = headers.get("Origin", "")
    if origin and origin.lower() not in {f"http://{name}" for name in hosts}:
        raise Forbidden(f"a page of {origin!r} may not control this simulation; open http://127.0.0.1:{port} itself")
    if headers.get("Sec-Fetch-Site", "none") not in _OURS:
        raise Forbidden(f"a page of another site may not control this simulation; open http://127.0.0.1:{port} itself")
    if method not in ("GET", "HEAD") and HEADER not in headers:
        raise Forbidden(f"whatever changes the simulation needs the header {HEADER}, with any value; add it")
