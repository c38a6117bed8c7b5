"""Chains go out of an SR to the image service, and both are spoken to over HTTPS."""

from __future__ import annotations

import hashlib
import io
import ssl
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.compute_core.dom0.fetching import ANOTHER, download, download_refused, wanted
from tests.compute_core.dom0.local import OTHER_SR, SR, call, dom0_in, files_in, refused, sr_folder
from tests.compute_core.dom0.vhds import BASE, DISK_BYTES, LEAF, MIB, UUIDS, ImageService, archived, chain, image_service, numbered

THREE = [f"{uuid}.vhd" for uuid in UUIDS[:3]]


@pytest.fixture
def service() -> Iterator[ImageService]:
    with image_service() as one:
        yield one


def _own_authority(folder: Path) -> ssl.SSLContext:
    """A server's certificate that only those trust who are told to."""
    certificate, key = folder / "certificate", folder / "key"
    name, signer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "images")]), ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(signer.public_key()).serial_number(1)
    builder = builder.not_valid_before(datetime(2000, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    certificate.write_bytes(builder.sign(signer, hashes.SHA256()).public_bytes(pem))
    key.write_bytes(signer.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_https_is_spoken_to_those_alone_who_are_trusted(tmp_path: Path) -> None:
    with image_service(_own_authority(tmp_path)) as service:
        kind, text = download_refused(tmp_path, service, ANOTHER)
        assert (kind, "certificate verify failed" in text) == ("Denied", True)
        answer = download(tmp_path, service, ANOTHER, ca_file=str(tmp_path / "certificate"))
        assert answer["bytes"] == len(ANOTHER)
        arguments = {"sr": SR, "vdis": UUIDS[:1], "url": f"{service.url}/up", "ca_file": str(tmp_path / "certificate"), "gzip": 1}
        sent = call(dom0_in(tmp_path), "image_upload", **arguments)
        assert sent["bytes"] == len(service.content["/up"])


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_chain_goes_out_as_it_came_in(tmp_path: Path, service: ImageService, level: int) -> None:
    download(tmp_path, service, archived(numbered(chain())))
    before = {name: (sr_folder(tmp_path) / name).read_bytes() for name in files_in(tmp_path)}
    url = f"{service.url}/v2/images/j/file"
    sent = call(dom0_in(tmp_path), "image_upload", sr=SR, vdis=UUIDS[:3], url=url, headers={"X-Auth-Token": "u"}, gzip=level)
    content = service.content["/v2/images/j/file"]
    assert sent == {"bytes": len(content), "md5": hashlib.md5(content).hexdigest(), "virtual_size": DISK_BYTES, "vhds": 3}
    assert (service.headers[-1]["X-Auth-Token"], service.headers[-1]["Content-Type"]) == ("u", "application/octet-stream")
    assert ("Content-Length" in service.headers[-1]) == (level == 0)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = {member.name: archive.extractfile(member) for member in archive}
        assert {name: file.read() for name, file in found.items() if file} == numbered([before[name] for name in THREE])
    assert {name: (sr_folder(tmp_path) / name).read_bytes() for name in files_in(tmp_path)} == before
    again = call(dom0_in(tmp_path), "image_download", **wanted(service, sr=OTHER_SR, uuids=UUIDS[3:], url=url))
    assert [disk["uuid"] for disk in again["vhds"]] == UUIDS[3:6]


def test_the_upper_part_of_a_chain_may_go_alone(tmp_path: Path, service: ImageService) -> None:
    download(tmp_path, service, archived(numbered(chain())))
    sent = call(dom0_in(tmp_path), "image_upload", sr=SR, vdis=UUIDS[:1], url=f"{service.url}/delta")
    assert (sent["vhds"], sent["bytes"] < 3 * MIB) == (1, True)


def test_what_cannot_be_sent_is_said_and_nothing_is_left(tmp_path: Path, service: ImageService) -> None:
    download(tmp_path, service, archived(numbered(chain())))
    machine, url = dom0_in(tmp_path), f"{service.url}/x"
    assert refused(machine, "image_upload", sr=SR, vdis=[UUIDS[7]], url=url) == ("NotFound", f"the disk {UUIDS[7]} is not in the SR")
    kind, text = refused(machine, "image_upload", sr=SR, vdis=[UUIDS[0], UUIDS[2]], url=url)
    assert (kind, text) == ("BadArguments", f"argument 'vdis' is no chain: {LEAF} was not made on {BASE}")
    assert refused(machine, "image_upload", sr=SR, vdis=UUIDS[:3], url=url, gzip=10)[0] == "BadArguments"
    service.refusals += [503, 409]
    assert refused(machine, "image_upload", sr=SR, vdis=UUIDS[:3], url=url)[0] == "Retryable"
    assert refused(machine, "image_upload", sr=SR, vdis=UUIDS[:3], url=url)[0] == "BadArguments"
    assert files_in(tmp_path) == THREE
