"""The command `inova contract`: what it refuses, with which exit code, and what it keeps to itself.

The server here is a bare XML-RPC socket that knows nothing but logins: enough to see the command's manners.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xmlrpc.server import SimpleXMLRPCServer

import pytest

ROOT = Path(__file__).parents[2]
PASSWORD = "sesame-open-4711"


class Doorkeeper:
    """Logs in who knows the password, and gives it away in every other answer."""

    def _dispatch(self, method: str, params: tuple[Any, ...]) -> Any:
        if method == "session.login_with_password":
            return self._login(*params)
        return {"Status": "Failure", "ErrorDescription": ["INTERNAL_ERROR", f"{method}: the password is {PASSWORD}"]}

    def _login(self, user: str, password: str, *more: str) -> dict[str, Any]:
        if password == PASSWORD:
            return {"Status": "Success", "Value": "OpaqueRef:1"}
        code = "HOST_IS_SLAVE" if password == "slave" else "SESSION_AUTHENTICATION_FAILED"
        return {"Status": "Failure", "ErrorDescription": [code, "10.0.0.1" if password == "slave" else user]}


@pytest.fixture
def door() -> Iterator[str]:
    with SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False) as server:
        server.register_instance(Doorkeeper())
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def contract(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XAPI_")}
    command = [sys.executable, "-m", "contract_tests.cli", *arguments]
    return subprocess.run(command, env={**environment, **variables}, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_closed_port_is_refused_with_a_cure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    done = contract("--url", f"http://127.0.0.1:{port}", "--password", PASSWORD)
    assert done.returncode == 2
    assert f"nothing answers XenAPI at http://127.0.0.1:{port}" in done.stderr
    assert "inova sim serve" in done.stderr


@pytest.mark.parametrize("url", ["127.0.0.1", "ftp://host", "http://"])
def test_a_bad_url_is_refused(url: str) -> None:
    done = contract("--url", url, "--password", PASSWORD)
    assert (done.returncode, "write http://HOST" in done.stderr) == (2, True)


def test_a_password_must_be_given() -> None:
    done = contract("--url", "http://127.0.0.1")
    assert (done.returncode, "--password" in done.stderr) == (2, True)


def test_a_wrong_password_is_told_apart(door: str) -> None:
    done = contract("--url", door, "--password", "wrong")
    assert done.returncode == 2
    assert "SESSION_AUTHENTICATION_FAILED. Check --user and --password." in done.stderr


def test_a_slave_names_its_master(door: str) -> None:
    done = contract("--url", door, "--password", "slave")
    assert (done.returncode, "--url http://10.0.0.1" in done.stderr) == (2, True)


def test_a_folder_that_is_not_there_is_refused_before_anything_runs(door: str, tmp_path: Path) -> None:
    done = contract("--url", door, "--password", PASSWORD, "--json", str(tmp_path / "no" / "report.json"))
    assert (done.returncode, "there is no folder" in done.stderr, done.stdout) == (2, True, "")


def test_failed_tests_are_counted_and_the_password_is_kept(door: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = contract("--json", str(report), "-k", "test_query", XAPI_URL=door, XAPI_PASSWORD=PASSWORD)
    assert done.returncode == 1, done.stdout
    result = json.loads(report.read_text())
    assert (result["passed"], result["failed"], result["url"]) == (0, len(result["tests"]), door)
    assert result["failed"] > 10
    assert "the password is ********" in result["tests"][0]["message"]
    assert PASSWORD not in done.stdout + done.stderr + report.read_text()


def test_an_expression_that_matches_nothing_is_no_success(door: str) -> None:
    assert contract("--url", door, "--password", PASSWORD, "-k", "there_is_no_such_test").returncode == 2


def test_the_suite_is_found_as_a_package_by_pytest_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "contract_tests.plugin", "--pyargs", "contract_tests", "--collect-only", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.strip().splitlines()[-1].split()[0]) > 80
    assert "test_leftovers.py::test_nothing_of_ours_is_left" in done.stdout.splitlines()[-3]


def test_without_a_server_the_suite_says_what_it_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "contract_tests.plugin", "--pyargs", "contract_tests.suite", "-k", "test_query"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XAPI_")} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 4
    assert "--xapi-url" in done.stdout + done.stderr
