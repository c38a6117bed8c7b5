"""``inova sim serve`` with HTTPS and with a directory: what an operator gives it, and what real clients find."""

from __future__ import annotations

import json
import ssl
import xmlrpc.client
from contextlib import closing
from pathlib import Path
from typing import Any

import XenAPI
from click.testing import CliRunner

from fake_xapi.cli import sim
from fake_xapi.fleet.accounts import fits, hash_password
from tests.fake_xapi.test_cli import refused, serving

HASH = hash_password("secret", cost=1 << 10)
DIRECTORY = {
    "domain": "example.com",
    "joiners": [{"name": "Administrator", "password": HASH}],
    "users": [{"name": "alice", "password": HASH, "groups": ["readers"]}],
    "groups": [{"name": "readers"}],
}


def test_clients_verify_every_host_with_the_file_of_certificates(tmp_path: Path) -> None:
    certificates = tmp_path / "hosts.pem"
    with serving("--hosts", "3", "--port", "0", "--tls-port", "0", "--certificates", str(certificates), "--json") as lines:
        rows = json.loads(lines[0])
        context = ssl.create_default_context(cafile=str(certificates))
        for row in rows:
            transport = xmlrpc.client.SafeTransport(context=context)
            session = XenAPI.Session(row["tls_url"], transport=transport)
            with closing(transport):
                session.login_with_password("root", "xenroot", "1.0", "test")
                assert [record["hostname"] for record in session.xenapi.host.get_all_records().values()] == [row["name"]]
                session.xenapi.session.logout()


def test_hosts_join_the_directory_and_its_users_may_what_their_role_allows(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text(json.dumps(DIRECTORY))
    with serving("--port", "0", "--json", "--directory", str(path)) as lines:
        (row,) = json.loads(lines[0])
        root, alice = (XenAPI.Session(row["url"]) for _ in range(2))
        with closing(root("transport")), closing(alice("transport")):
            root.login_with_password("root", "xenroot", "1.0", "test")
            let_in(root.xenapi, "readers", "read-only")
            alice.login_with_password("EXAMPLE\\alice", "secret", "1.0", "test")
            assert len(alice.xenapi.host.get_all()) == 1
            assert refusal(alice.xenapi.network.create, {"name_label": "mine", "other_config": {}})[:2] == [
                "RBAC_PERMISSION_DENIED",
                "network.create",
            ]


def let_in(xapi: Any, name: str, role: str) -> None:
    (pool,) = xapi.pool.get_all()
    xapi.pool.enable_external_auth(pool, {"user": "Administrator", "pass": "secret"}, "example.com", "AD")
    subject = xapi.subject.create({"subject_identifier": xapi.auth.get_subject_identifier(name), "other_config": {}})
    xapi.subject.add_to_roles(subject, xapi.role.get_by_name_label(role)[0])


def refusal(call: Any, *params: object) -> list[str]:
    try:
        call(*params)
    except XenAPI.Failure as failure:
        return list(failure.details)
    raise AssertionError("not refused")


def test_a_directory_that_is_none_is_told_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text('{"domain": "example.com",\n "users": [{"name": "alice", "password": "secret"}]}')
    said = refused("--directory", str(path))
    assert f"{path}:2: the password of alice is no hash; write what `inova sim hash-password` prints" in said.replace("\n", " ")


def test_a_folder_for_certificates_has_to_be_there(tmp_path: Path) -> None:
    assert "the folder" in refused("--tls-port", "0", "--certificates", str(tmp_path / "missing" / "hosts.pem"))


def test_the_hash_of_a_password_is_asked_for_unseen_and_printed() -> None:
    done = CliRunner().invoke(sim, ["hash-password"], input="secret\nsecret\n")
    printed = done.output.splitlines()[-1]
    assert (done.exit_code, fits("secret", printed), "secret" in done.output) == (0, True, False)
