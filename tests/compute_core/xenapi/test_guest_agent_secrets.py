"""The secrets of guests' agents, against the programs at the other end: openssl itself, and the simulator's agent."""

from __future__ import annotations

import base64
import random
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from compute_core.xenapi.guest_agent_secrets import DERIVATIONS, PRIME, BadPublicNumber, Exchange, encrypted, sealed_for
from fake_xapi.guest import secrets as guest

OPENSSL = {
    "md5": ("-md", "md5"),
    "sha256": ("-md", "sha256"),
    "pbkdf2": ("-pbkdf2",),
}
PASSWORDS = ("s", "fifteen-letters", "sixteen--letters", "pässwörd with spaces, of more than one block of sixteen bytes")


def openssl(*words: str, given: str) -> str:
    done = subprocess.run(["openssl", *words], input=given, capture_output=True, text=True, check=True)
    return done.stdout


def enc(derivation: str, passphrase: str, *words: str, given: str) -> str:
    return openssl("enc", "-aes-128-cbc", "-a", "-A", "-nosalt", "-pass", f"pass:{passphrase}", *OPENSSL[derivation], *words, given=given)


@pytest.mark.parametrize("derivation", DERIVATIONS)
def test_openssl_reads_what_is_encrypted_and_writes_the_same(derivation: str) -> None:
    for password in PASSWORDS:
        sealed = encrypted(f"{password}\n", "123456789", derivation)
        assert enc(derivation, "123456789", "-d", given=sealed) == f"{password}\n"
        assert enc(derivation, "123456789", given=f"{password}\n") == sealed


def test_both_sides_of_an_exchange_come_to_one_passphrase() -> None:
    for seed in range(20):
        exchange, chance = Exchange.begun(), random.Random(seed)
        public, shared = guest.answer_exchange(exchange.public, chance)
        assert exchange.shared(public) == exchange.shared(f" {public}\r\n") == shared
        assert guest.decrypt(encrypted("word\n", shared, "md5"), shared, ("md5",)) == "word\n"


def test_an_exchange_is_another_one_each_time_and_shows_nothing_of_itself() -> None:
    exchange = Exchange.begun()
    assert exchange.private != Exchange.begun().private
    assert str(exchange.private) not in repr(exchange)


@pytest.mark.parametrize("theirs", ["", "1", "0", "-5", "x", "²", str(PRIME - 1), str(PRIME), "9" * 65])
def test_what_is_no_half_of_an_exchange_is_refused(theirs: str) -> None:
    with pytest.raises(BadPublicNumber):
        Exchange.begun().shared(theirs)


def test_the_owner_of_a_key_pair_reads_the_password_with_openssl(tmp_path: Path) -> None:
    key = generate_private_key(65537, 2048)
    file = tmp_path / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    sealed = tmp_path / "sealed"
    sealed.write_bytes(base64.b64decode(sealed_for(f"{public} me@home", "pässword")))
    assert openssl("pkeyutl", "-decrypt", "-inkey", str(file), "-in", str(sealed), given="") == "pässword"
    assert sealed_for(public, "p" * 245) != ""
    assert sealed_for(public, "p" * 246) == ""


@pytest.mark.parametrize("key", [None, "", "ssh-rsa nonsense", "nobody"])
def test_without_a_key_nothing_is_kept(key: str | None) -> None:
    assert sealed_for(key, "password") == ""


def test_a_key_that_only_signs_keeps_nothing() -> None:
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert sealed_for(public, "password") == ""
