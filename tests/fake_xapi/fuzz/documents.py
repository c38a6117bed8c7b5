"""Every reader of what comes from outside, given documents that were right once: it reads them or says in its own words that it cannot."""

from __future__ import annotations

import io
import pickle
import random
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fake_xapi.datamodel.xml_values import MalformedXml, read_value
from fake_xapi.dom0 import iso9660, pickles, tar, update_info, updateinfo, x509
from fake_xapi.dom0.documents import BadDocument, read_document
from fake_xapi.dom0.iso9660_write import image
from fake_xapi.dom0.screens import Screen
from fake_xapi.dom0.update_info import BadInfo
from fake_xapi.dom0.updateinfo import BadRepository
from fake_xapi.dom0.vhd import VhdError
from fake_xapi.fleet.accounts_file import BadAccounts, read_accounts
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.hardware_file import BadHardware, read_hardware
from fake_xapi.fleet.state_file import load_fleet, save_fleet
from fake_xapi.state.storage import BadWorldFile
from fake_xapi.transports.ports import Refusal
from fake_xapi.transports.rfb import BadClient, RfbServer
from tests.fake_xapi.dom0.vhds import decoded, vhd_of
from tests.fake_xapi.fuzz.limits import no_longer_than
from tests.fake_xapi.fuzz.mutating import mutated
from tests.fake_xapi.fuzz.writing import FORMS, written

CPU_SECONDS = 5
BROKEN = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
"""What a reader raises that did not expect what it read."""
NESTED = {"a": [1, {"b": "\u00e9<&>"}, [], {}], "c": True, "d": -1.5, "e": "x" * 50}
UPDATE = (
    b'<update uuid="11111111-2222-4333-8444-555555555555" name-label="U" version="1.0" key="k" installation-size="7"'
    b' after-apply-guidance="restartHVM">'
    b"<name-description>d</name-description><host-requirements><a/></host-requirements></update>"
)
UPDATES = (
    '<updates><update type="security"><id>U-1</id><title>t</title><issued date="2026-01-02"/><severity>High</severity><summary>s</summary>'
    "<guidance><mandatory><value>RebootHost</value></mandatory></guidance><pkglist><collection>"
    '<package name="xapi" version="1" release="U-1" arch="x86_64"><filename>f</filename></package>'
    "</collection></pkglist></update></updates>"
)


@dataclass(frozen=True, slots=True)
class Reader:
    """What reads a kind of document, a document of that kind, and the errors by which it refuses others."""

    sample: bytes
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()


@dataclass(slots=True)
class Documents:
    """Mutated documents, each to the reader of its kind."""

    seed: str
    complaints: list[str] = field(default_factory=list)

    def run(self, count: int) -> list[str]:
        """Try so many; the complaints."""
        chance = random.Random(f"documents {self.seed}")
        with tempfile.TemporaryDirectory() as folder:
            readers = _readers(Path(folder))
            names = sorted(readers)
            for number in range(count):
                name = names[number % len(names)]
                self._try(name, readers[name], mutated(chance, readers[name].sample))
        return self.complaints

    def _try(self, name: str, reader: Reader, content: bytes) -> None:
        try:
            with no_longer_than(CPU_SECONDS):
                reader.read(content)
        except reader.refusals:
            return
        except BROKEN as error:
            self.complaints.append(f"{name} of seed {self.seed}: {error!r} for {content[:300]!r}")


def _readers(folder: Path) -> Mapping[str, Reader]:
    return {**_calls(), **_dom0(), **_files(folder)}


def _calls() -> Mapping[str, Reader]:
    return {
        f"{form} of {era}": Reader(written(form, "VM.create", ["OpaqueRef:x", NESTED, 7, None]), codec.read, (Refusal,))
        for form, codecs in FORMS.items()
        for era, codec in codecs.items()
    }


def _dom0() -> Mapping[str, Reader]:
    packed = image({"UPDATE.XML": UPDATE, "X.RPM": b"y" * 5000}, "UPDATE")
    return {
        "value": Reader(
            written("xml", "x", [NESTED])[
                len(b"<methodCall><methodName>x</methodName><params><param>") : -len(b"</param></params></methodCall>")
            ],
            read_value,
            (MalformedXml,),
        ),
        "document": Reader(UPDATE, read_document, (BadDocument,)),
        "pickle": Reader(pickle.dumps(NESTED, 2), pickles.load, (pickles.BadPickle,)),
        "old pickle": Reader(pickle.dumps(NESTED, 0), pickles.load, (pickles.BadPickle,)),
        "tar header": Reader(
            tar.header("Ref:1/00000000", 1 << 20), lambda raw: tar.read_header(raw.ljust(512, b"\0")[:512]), (tar.TarError,)
        ),
        "iso": Reader(packed, lambda raw: iso9660.read_file(_reads(raw), "x.rpm", 1 << 20)),
        "update": Reader(packed, lambda raw: update_info.update_info(_reads(raw), len(raw)), (BadInfo, ValueError)),
        "patch": Reader(b"#!/bin/sh\n<info " + UPDATE[8:].replace(b"</update>", b"</info>"), update_info.patch_info, (BadInfo,)),
        "updateinfo": Reader(UPDATES.encode(), lambda raw: updateinfo.updates_of(raw.decode(errors="replace")), (BadRepository,)),
        "bundle": Reader(_bundle(), updateinfo.from_bundle, (BadRepository, tarfile.TarError)),
        "certificate": Reader(_pem(), _certificate),
        "vhd": Reader(vhd_of(4 << 20, {0: b"x" * 512, 1: b"y" * 70_000}), decoded, (VhdError, AssertionError)),
        "rfb": Reader(
            b"RFB 003.008\n\x01\x01"
            b"\x02\x00\x00\x01\x00\x00\x00\x00"
            b"\x03" + bytes(5) + b"\x40\x00\x20" + b"\x04\x01\x00\x00\x00\x00\x00a" * 3,
            _rfb,
            (BadClient,),
        ),
    }


def _files(folder: Path) -> Mapping[str, Reader]:
    """Files that operators hand in, and the saved state."""
    state, other = folder / "fleet", folder / "other"
    save_fleet(Fleet(Order()), state)

    def reading(read: Callable[[Path], object]) -> Callable[[bytes], object]:
        def read_bytes(raw: bytes) -> object:
            other.write_bytes(raw)
            return read(other)

        return read_bytes

    hardware = b'{"cpus": 4, "memory_gib": 16}'
    accounts = b'{"accounts": [{"name": "a", "password": "b", "groups": ["g"]}]}'
    return {
        "saved fleet": Reader(state.read_bytes(), reading(load_fleet), (BadWorldFile,)),
        "hardware": Reader(hardware, reading(read_hardware), (BadHardware,)),
        "accounts": Reader(accounts, reading(read_accounts), (BadAccounts,)),
    }


def _reads(raw: bytes) -> Callable[[int, int], bytes]:
    def read(offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > len(raw):
            raise ValueError("beyond the end")
        return raw[offset : offset + length]

    return read


def _rfb(raw: bytes) -> object:
    server = RfbServer("host", Screen(20, ("title", "line")))
    for begin in range(0, len(raw), 7):
        server.take(raw[begin : begin + 7])
    return server.draw(Screen(21, ("title", "other", "more")))


def _bundle() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as bundle:
        for name, content in (
            ("repodata/repomd.xml", b"<repomd><data type='updateinfo'><location href='u.xml'/></data></repomd>"),
            ("u.xml", UPDATES.encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            bundle.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _pem() -> bytes:
    fleet = Fleet(Order())
    return next(iter(fleet.hosts.values())).server_identity()[0].encode()


def _certificate(raw: bytes) -> object:
    found = x509.read_certificate(raw.decode(errors="replace"))
    return found and x509.facts(found)
