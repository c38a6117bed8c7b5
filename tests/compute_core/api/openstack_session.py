"""Runs the unmodified ``openstack`` client several times in one process: each line of standard input is a command.

Its own process, since the client's libraries give warnings that would be errors in ours. Writes one JSON line for each command.
"""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import sys

from openstackclient.shell import main


def run(line: str) -> dict[str, object]:
    """One command: its exit code and what it has written."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            code = main(shlex.split(line))
        except SystemExit as end:
            code = end.code  # type: ignore[assignment]  # a number or None
    return {"command": line, "code": code or 0, "output": output.getvalue()}


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(line.strip())) + "\n")
        sys.stdout.flush()
