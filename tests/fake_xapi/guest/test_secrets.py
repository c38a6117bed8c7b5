"""The agent's secrets: what OpenSSL encrypted is decrypted, in the derivation of either age."""

from __future__ import annotations

import random

import pytest

from fake_xapi.guest.secrets import BASE, PRIME, BadSecret, answer_exchange, decrypt, encrypt

MADE_BY_OPENSSL = {"md5": "8jyCha/8X6RlS3Az1tkqlA==", "sha256": "o5ptwwae30IPYJcq7Bgnsg=="}
"""``printf 'hunter2\\n' | openssl enc -aes-128-cbc -A -a -nosalt -pass pass:123456789 -md ...``."""


@pytest.mark.parametrize("digest", MADE_BY_OPENSSL)
def test_what_openssl_encrypts_is_read_and_written(digest: str) -> None:
    sealed = MADE_BY_OPENSSL[digest]
    assert decrypt(sealed, "123456789", [digest]) == "hunter2\n"
    assert encrypt("hunter2\n", "123456789", digest) == sealed


def test_the_first_derivation_that_fits_counts() -> None:
    assert decrypt(MADE_BY_OPENSSL["md5"], "123456789", ["sha256", "md5"]) == "hunter2\n"


@pytest.mark.parametrize("sealed", ["", "!", "AAAA", "o5ptwwae30IPYJcq7Bgnsg", MADE_BY_OPENSSL["sha256"]])
def test_what_cannot_be_read_is_refused(sealed: str) -> None:
    with pytest.raises(BadSecret):
        decrypt(sealed, "another", ["sha256", "md5"])


def test_both_sides_of_an_exchange_find_the_same_secret() -> None:
    private = 3_141_592_653
    ours, shared = answer_exchange(str(pow(BASE, private, PRIME)), random.Random(1))
    assert shared == str(pow(int(ours), private, PRIME))


@pytest.mark.parametrize("public", ["", "x", "-5", "0", "1", str(PRIME - 1), str(PRIME), "9" * 100, "²"])
def test_a_number_that_no_exchange_has_is_refused(public: str) -> None:
    with pytest.raises(BadSecret):
        answer_exchange(public, random.Random(1))
