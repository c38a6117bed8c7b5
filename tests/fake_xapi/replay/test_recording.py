"""The file: written whole line by line, gone on with, full, damaged; and calls and answers as they are read from what travels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from fake_xapi.replay.bodies import Answered, Asked, Unreadable, read_answered, read_asked, wire_of, written
from fake_xapi.replay.recording import BadRecording, Call, Recorder, read_calls, read_head
from tests.fake_xapi.transports.serving import success

HEAD = {"upstream": "http://h"}
LINE = {"kind": "call", "at": "20261101T00:00:00Z", "method": "VM.get_all", "params": [], "session": "s", "wire": "xmlrpc", "took_s": 0.5}


def recording(path: Path, *lines: object) -> Path:
    with Recorder.create(path, HEAD) as recorder:
        for line in lines:
            recorder.write(line)  # type: ignore[arg-type]  # some are no mappings
    return path


def test_calls_come_back_with_what_came_of_them(tmp_path: Path) -> None:
    ends = ({"result": ["OpaqueRef:1"]}, {"error": ["SESSION_INVALID", "s"]}, {"lost": "gone"})
    path = recording(tmp_path / "r", *({**LINE, **end} for end in ends), {"kind": "http", "at": "", "path": "/export"})
    plain: tuple[str, str, list[Any], str, str, float] = ("20261101T00:00:00Z", "VM.get_all", [], "s", "xmlrpc", 0.5)
    assert list(read_calls(path)) == [
        Call(*plain, result=["OpaqueRef:1"]), Call(*plain, error=("SESSION_INVALID", "s")), Call(*plain, lost="gone"),
    ]  # fmt: skip
    assert [call.is_answered for call in read_calls(path)] == [True, False, False]
    assert read_head(path)["upstream"] == "http://h"
    assert path.stat().st_mode & 0o77 == 0


def test_who_is_killed_leaves_a_torn_line_that_is_cut_off_before_the_recording_goes_on(tmp_path: Path) -> None:
    path = recording(tmp_path / "r", LINE)
    with path.open("ab") as file:
        file.write(orjson.dumps(LINE)[:-9])
    assert len(list(read_calls(path))) == 1
    with Recorder.resume(path, HEAD) as recorder:
        recorder.write({**LINE, "method": "SR.get_all"})
    assert [call.method for call in read_calls(path)] == ["VM.get_all", "SR.get_all"]


def test_a_recording_is_not_written_over_nor_mixed_with_another(tmp_path: Path) -> None:
    path = recording(tmp_path / "r")
    with pytest.raises(BadRecording, match="is there already; go on with it by --resume, or name another file"):
        Recorder.create(path, HEAD)
    with pytest.raises(BadRecording, match="is a recording of http://h, not of http://other; name another file"):
        Recorder.resume(path, {"upstream": "http://other"})
    with Recorder.resume(tmp_path / "new", HEAD) as recorder:
        recorder.write(LINE)
    assert len(list(read_calls(tmp_path / "new"))) == 1


def test_a_full_recording_counts_what_it_leaves_out(tmp_path: Path) -> None:
    room = len(orjson.dumps({"format": "inova recording 1", **HEAD})) + 2 * len(orjson.dumps(LINE)) + 3
    with Recorder.create(tmp_path / "r", HEAD, room) as recorder:
        for _ in range(5):
            recorder.write(LINE)
        assert (recorder.lines, recorder.left_out) == (3, 3)
    assert len(list(read_calls(tmp_path / "r"))) == 2


@pytest.mark.parametrize("content", [b"", b"{}\n", b"[1]\n", b"\x00\xff\n", b'{"format": "another"}\n'])
def test_a_file_that_is_no_recording_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(content)
    with pytest.raises(BadRecording, match="is no recording of the format 'inova recording 1'; make one with inova sim record"):
        list(read_calls(tmp_path / "r"))


@pytest.mark.parametrize("line", [[1], {"kind": "call"}, {"no": "kind"}, {**LINE, "params": 1}, {**LINE, "took_s": "x"}])
def test_a_damaged_line_is_named(line: object, tmp_path: Path) -> None:
    path = recording(tmp_path / "r", LINE, line)
    with pytest.raises(BadRecording, match="line 3 is damaged"):
        list(read_calls(path))


def test_each_path_speaks_one_form() -> None:
    assert [wire_of(path) for path in ("/", "/RPC2", "/xmlrpc", "/json", "/jsonrpc", "/export")] == [
        "xmlrpc", "xmlrpc", "xmlrpc", "json", "jsonrpc", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wire", "body", "expected"),
    [
        ("xmlrpc", written("VM.start", "s", True, 3), Asked("VM.start", ["s", True, "3"])),
        ("json", written("VM.start", "s"), Asked("VM.start", ["s"])),
        ("jsonrpc", b'{"method": "VM.start", "params": ["s", true], "id": 1}', Asked("VM.start", ["s", True])),
        ("jsonrpc", b'{"jsonrpc": "2.0", "method": "system.listMethods", "id": 1}', Asked("system.listMethods", [])),
    ],
)
def test_a_call_is_read_in_each_form(wire: str, body: bytes, expected: Asked) -> None:
    assert read_asked(wire, body) == expected


FAULT = b"<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>0</int></value></member><member><name>faultString</name><value>no</value></member></struct></value></fault></methodResponse>"  # noqa: E501
FAILURE = b"<methodResponse><params><param><value><struct><member><name>Status</name><value>Failure</value></member><member><name>ErrorDescription</name><value><array><data><value>HANDLE_INVALID</value><value>VM</value></data></array></value></member></struct></value></param></params></methodResponse>"  # noqa: E501
BARE = (
    b"<methodResponse><params><param><value><array><data><value>VM.get_all</value></data></array></value></param></params></methodResponse>"
)


@pytest.mark.parametrize(
    ("wire", "body", "expected"),
    [
        ("xmlrpc", success("<value>Running</value>"), Answered("Running")),
        ("xmlrpc", FAILURE, Answered(error=("HANDLE_INVALID", "VM"))),
        ("xmlrpc", FAULT, Answered(error=("Fault", "no"))),
        ("xmlrpc", BARE, Answered(["VM.get_all"])),
        ("json", success('<value>{"a": [1]}</value>'), Answered({"a": [1]})),
        ("json", success("<value>Running</value>"), Answered("Running")),
        ("jsonrpc", b'{"result": {"a": 1}, "error": null, "id": 1}', Answered({"a": 1})),
        ("jsonrpc", b'{"result": null, "error": ["HANDLE_INVALID", "VM"], "id": 1}', Answered(error=("HANDLE_INVALID", "VM"))),
        ("jsonrpc", b'{"jsonrpc": "2.0", "error": {"code": 1, "message": "HANDLE_INVALID", "data": ["VM"]}, "id": 1}',
         Answered(error=("HANDLE_INVALID", "VM"))),
    ],
)  # fmt: skip
def test_an_answer_is_read_in_each_form(wire: str, body: bytes, expected: Answered) -> None:
    assert read_answered(wire, body) == expected


@pytest.mark.parametrize("body", [b"", b"<methodCall/>", b"<!DOCTYPE x><methodResponse/>", b"null", b'{"method": 3}'])
def test_what_is_neither_is_told(body: bytes) -> None:
    for wire in ("xmlrpc", "jsonrpc"):
        with pytest.raises(Unreadable):
            read_asked(wire, body)
    with pytest.raises(Unreadable):
        read_answered("xmlrpc", body)
