"""Every operation of the control plane, over HTTP: what it does, that it answers as the OpenAPI document says, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
import XenAPI
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from fake_xapi.control.openapi import document
from fake_xapi.control.operations import OPERATIONS
from tests.fake_xapi.control.rig import Answer, Rig, running

HOST = "xs00001"
BY_NAME = {operation.name: operation for operation in OPERATIONS}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("snapshots"), profile="instant") as found:
        yield found


def test_the_document_is_openapi() -> None:
    validate(json.loads(json.dumps(document())))


def test_the_document_is_served(rig: Rig) -> None:
    assert rig.done("GET", "/openapi.json") == json.loads(json.dumps(document()))


def test_every_operation_is_in_the_document() -> None:
    described = {
        (path, method.upper()): found["operationId"] for path, methods in document()["paths"].items() for method, found in methods.items()
    }
    assert {described[operation.path, operation.method] for operation in OPERATIONS} == set(BY_NAME)


# ---- each operation does what it says -----------------------------------------------------------------------------------------


class Exercise:
    """Asks for operations by their names, and holds each answer to the document."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.done: set[str] = set()

    def ask(self, name: str, path: str = "", body: Any = None) -> Any:
        operation = BY_NAME[name]
        wanted = re.compile(re.sub(r"{\w+}", "[^/]+", operation.path) + r"(\?.*)?")
        assert wanted.fullmatch(path or operation.path), (name, path)
        answer = self.rig.ask(operation.method, path or operation.path, body)
        assert answer.status == operation.status, (name, answer.content)
        self.done.add(name)
        _hold_to_the_document(operation.answers, answer)
        return answer.json if operation.answers else None


def _hold_to_the_document(schema: str, answer: Answer) -> None:
    if not schema:
        assert answer.content == b""
        return
    components = document()["components"]
    Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components}).validate(answer.json)


def test_every_operation_answers_as_the_document_says(rig: Rig, session: Any) -> None:
    exercise = Exercise(rig)
    for part in (_exercise_hosts, _exercise_worlds, _exercise_snapshots, _exercise_faults, _exercise_traffic, _exercise_clock):
        part(exercise, session)
    assert exercise.done == set(BY_NAME)


def _exercise_hosts(exercise: Exercise, session: Any) -> None:
    del session
    page = exercise.ask("hosts", "/hosts?limit=2")
    rest = exercise.ask("hosts", f"/hosts?limit=2&after={page['next']}")
    assert ([host["name"] for host in page["hosts"]], [host["name"] for host in rest["hosts"]]) == ([HOST, "xs00002"], ["xs00003"])
    assert (page["total"], rest["next"]) == (3, "")
    assert exercise.ask("host", f"/hosts/{HOST}")["storage"]
    assert exercise.ask("set_alive", f"/hosts/{HOST}/alive", {"alive": False})["state"] == "dead"
    assert [host["name"] for host in exercise.ask("hosts", "/hosts?state=dead")["hosts"]] == [HOST]
    assert exercise.ask("set_alive", f"/hosts/{HOST}/alive", {"alive": True})["state"] == "up"


def _exercise_worlds(exercise: Exercise, session: Any) -> None:
    exercise.ask("keep_journals", "/journal", {"entries": 50, "hosts": HOST})
    before = exercise.ask("world", f"/worlds/{HOST}")
    assert before["journal"] == {"most": 50, "kept": 1, "oldest": before["generation"]}
    network = session.xenapi.network.create({"name_label": "made", "other_config": {}})
    names = [found["record"]["name_label"] for found in exercise.ask("objects", f"/worlds/{HOST}/objects/network")["objects"]]
    assert "made" in names
    [newest, *_] = exercise.ask("journal", f"/worlds/{HOST}/journal")["entries"]
    assert (newest["cause"], newest["touched"]) == ("network.create", ["network"])
    found = exercise.ask("diff_world", f"/worlds/{HOST}/diff?old={before['generation']}")
    assert found["counts"] == {"network": {"added": 1}}
    assert [(change["ref"], change["kind"], change["name_label"]) for change in found["changes"]] == [(network, "added", "made")]
    exercise.ask("rewind", f"/worlds/{HOST}/rewind", {"generation": before["generation"]})
    with pytest.raises(XenAPI.Failure, match="HANDLE_INVALID"):
        session.xenapi.network.get_uuid(network)


def _exercise_snapshots(exercise: Exercise, session: Any) -> None:
    exercise.ask("take_snapshot", "/snapshots", {"name": "before"})
    session.xenapi.network.create({"name_label": "made", "other_config": {}})
    assert exercise.ask("diff_snapshots", "/snapshots/diff?old=before")["worlds"] == {HOST: {"network": {"added": 1}}}
    exercise.ask("restore_snapshot", "/snapshots/before/restore")
    assert session.xenapi.network.get_by_name_label("made") == []
    exercise.ask("save", "/save", {"file": "fleet.inova"})
    assert exercise.ask("load", "/load", {"file": "fleet.inova", "name": "loaded"})["worlds"] == 3
    assert [snapshot["name"] for snapshot in exercise.ask("snapshots")["snapshots"]] == ["before", "loaded"]
    exercise.ask("restore_snapshot", "/snapshots/loaded/restore")
    for name in ("before", "loaded"):
        exercise.ask("remove_snapshot", f"/snapshots/{name}")
    assert exercise.ask("snapshots")["snapshots"] == []
    fork = exercise.ask("fork_host", f"/hosts/{HOST}/fork")
    assert fork["name"] == "xs00004"
    assert fork["uuid"] == exercise.ask("host", f"/hosts/{HOST}")["uuid"]


def _exercise_faults(exercise: Exercise, session: Any) -> None:
    rule = {"host": HOST, "message": "network.get_all", "effect": {"kind": "refuse", "code": "HA_NO_PLAN", "params": []}}
    handle = exercise.ask("add_fault", "/faults", rule)["handle"]
    with pytest.raises(XenAPI.Failure, match="HA_NO_PLAN"):
        session.xenapi.network.get_all()
    assert exercise.ask("fault", f"/faults/{handle}") == {"handle": handle, "seen": 1, "hits": 1, "held": 0, "rule": rule}
    assert exercise.ask("release_fault", f"/faults/{handle}/release") == {"released": 0}
    assert [fault["handle"] for fault in exercise.ask("faults")["faults"]] == [handle]
    exercise.ask("remove_fault", f"/faults/{handle}")
    exercise.ask("add_fault", "/faults", {"fist": "FIST_pause_storage_migrate"})
    exercise.ask("clear_faults", "/faults")
    assert exercise.ask("faults") == {"faults": []}
    assert "delay" in exercise.ask("vocabulary")["effects"]


def _exercise_clock(exercise: Exercise, session: Any) -> None:
    del session
    assert exercise.ask("set_pace", "/clock", {"paused": True, "speed": 60})["is_paused"]
    before = exercise.ask("clock")
    after = exercise.ask("jump", "/clock/jump", {"seconds": 3600})
    assert round(after["time_s"] - before["time_s"], 3) == 3600
    assert exercise.ask("step", "/clock/step", {"count": 2})["is_paused"]
    assert exercise.ask("set_pace", "/clock", {"paused": False, "speed": 1}) | {"date": "", "time_s": 0} == {
        "date": "",
        "time_s": 0,
        "is_paced": True,
        "is_paused": False,
        "speed": 1.0,
    }


def _exercise_traffic(exercise: Exercise, session: Any) -> None:
    exercise.ask("reset_counters")
    session.xenapi.network.get_all()
    counters = exercise.ask("counters")
    assert (counters["calls"], counters["errors"], counters["messages"]["network.get_all"]["calls"]) == (1, 0, 1)
    [call] = exercise.ask("calls", "/calls?message=network.*&limit=1")["calls"]
    assert (call["host"], call["message"], call["outcome"]) == (HOST, "network.get_all", "success")


@pytest.mark.parametrize(
    ("path", "kind"), [("/metrics", "text/plain"), ("/live", "text/event-stream"), ("/calls/stream", "text/event-stream")]
)
def test_what_is_no_json_is_of_the_kind_that_the_document_says(rig: Rig, path: str, kind: str) -> None:
    assert document()["paths"][path]["get"]["responses"]["200"]["content"] == {kind: {"schema": {}}}
    connection = HTTPConnection("127.0.0.1", rig.port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    assert (response.status, response.headers.get_content_type()) == (200, kind)
    assert response.read(1)
    connection.close()


# ---- what it refuses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("GET", "/hosts/xs0001", None, 404, r"no host is called 'xs0001'; did you mean xs00001"),
        ("GET", "/hosts?limit=0", None, 400, r"the parameter 'limit' is wrong: 0 is less than the minimum of 1"),
        ("GET", "/hosts?limit=x", None, 400, r"the parameter 'limit' is wrong: 'x' is not of type 'integer'"),
        ("GET", "/hosts?lim=1", None, 400, r"/hosts has no parameter 'lim'; it has name, state, after, limit"),
        ("PUT", "/hosts/xs00001/alive", {}, 400, r"the body is wrong: 'alive' is a required property"),
        ("PUT", "/hosts/xs00001/alive", {"alive": 1}, 400, r"the body\['alive'\] is wrong: 1 is not of type 'boolean'"),
        ("GET", "/worlds/xs00001/objects/vm", None, 404, r"no class is called 'vm'; did you mean VM"),
        ("GET", "/worlds/xs00001/objects/session", None, 404, r"objects of class session are secrets"),
        ("GET", "/worlds/xs00002/journal", None, 409, r"no journal of xs00002 is kept; ask for one first: inova sim world journal"),
        ("POST", "/worlds/xs00002/rewind", {"generation": 1}, 409, r"no journal of xs00002 is kept"),
        ("GET", "/worlds/xs00001/diff?old=never", None, 404, r"no snapshot is called 'never'"),
        ("GET", "/worlds/xs00001/diff", None, 400, r"the parameter 'old' is missing; add \?old=..."),
        ("PUT", "/journal", {"entries": 5, "hosts": "nobody*"}, 404, r"no host is called 'nobody\*'"),
        ("POST", "/snapshots", {"name": "now"}, 400, r"'now' cannot name a snapshot"),
        ("POST", "/snapshots", {"name": "../x"}, 400, r"'\.\./x' cannot name a snapshot"),
        ("POST", "/snapshots/never/restore", None, 404, r"no snapshot is called 'never'"),
        ("POST", "/save", {"file": "../../etc/passwd"}, 400, r"is no name of a file in the snapshot folder"),
        ("POST", "/load", {"file": "nothing", "name": "x"}, 404, r"nothing: there is no such file; save one first"),
        ("POST", "/faults", {}, 400, r"the body is wrong: \{\} is not valid under any of the given schemas"),
        ("POST", "/faults", {"effect": {"kind": "delai"}}, 400, r"no effect is called 'delai'; did you mean delay"),
        ("POST", "/faults", {"effect": {"kind": "drop"}, "message": "VM.strat"}, 400, r"did you mean VM.start"),
        ("POST", "/faults", {"effect": {"kind": "drop"}, "host": "xs1"}, 400, r"no host of the fleet matches 'xs1'"),
        ("GET", "/faults/99", None, 404, r"no rule is called '99'; there is none at all"),
        ("PATCH", "/clock", {}, 400, r"the body is wrong"),
        ("PATCH", "/clock", {"speed": 0}, 400, r"the body\['speed'\] is wrong: 0 is less than or equal to the minimum of 0"),
        ("POST", "/clock/jump", {"seconds": -1}, 400, r"the body\['seconds'\] is wrong: -1 is less than the minimum of 0"),
        (
            "POST",
            "/clock/jump",
            {"seconds": 1e18},
            400,
            r"dates end before the year 9999: a jump takes at most \d+ seconds now, not 1e\+18",
        ),
        ("GET", "/nothing", None, 404, r"there is nothing at /nothing; /openapi.json lists all paths"),
        ("POST", "/hosts", {}, 405, r"/hosts does not know POST; /openapi.json lists the methods of each path"),
        ("GET", "/static/..%2fapp.py", None, 404, r"nothing at|no file"),
    ],
)
def test_what_is_wrong_is_refused_with_the_cure(rig: Rig, method: str, path: str, body: Any, status: int, sentence: str) -> None:
    found, told = rig.refused(method, path, body)
    assert (found, bool(re.search(sentence, told))) == (status, True), told


def test_a_body_that_is_no_json_is_refused(rig: Rig) -> None:
    answer = rig.ask("POST", "/snapshots", {"name": "x"}, {"Content-Type": "text/plain"})
    assert (answer.status, answer.json["error"]["code"]) == (415, "unsupported_media_type")


def test_a_body_that_is_too_large_is_refused(rig: Rig) -> None:
    assert rig.ask("POST", "/snapshots", {"name": "x"}, {"Content-Length": str(2 << 20)}).status == 413
