"""Disks as values: copies cost nothing, and writing to one leaves all others alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_xapi.dom0.blocks import BLOCK_BYTES, BlockFile
from fake_xapi.dom0.disks import DiskError, DiskStore

MB = 1 << 20


@pytest.fixture
def store() -> Iterator[DiskStore]:
    made = DiskStore(BlockFile())
    yield made
    made.close()


def test_a_new_disk_reads_as_zeros_and_takes_nothing(store: DiskStore) -> None:
    store.create("vdi", 10 * MB)
    assert store.read("vdi", 3 * MB, 5) == bytes(5)
    assert (store.allocated_bytes("vdi"), store.blocks("vdi"), store["vdi"].size) == (0, [], 10 * MB)


def test_what_is_written_across_blocks_is_read_back(store: DiskStore) -> None:
    store.create("vdi", 10 * MB)
    store.write("vdi", 2 * MB - 3, b"abcdef")
    assert store.read("vdi", 2 * MB - 4, 8) == b"\0abcdef\0"
    assert store.blocks("vdi") == [0, 1]
    assert store.allocated_bytes("vdi") == 4 * MB


def test_writing_zeros_gives_the_block_back(store: DiskStore) -> None:
    store.create("vdi", 4 * MB)
    store.write("vdi", 0, b"abc")
    store.write("vdi", 0, bytes(3))
    assert store.blocks("vdi") == []


def test_a_clone_shares_until_one_of_them_is_written(store: DiskStore) -> None:
    store.create("base", 10 * MB)
    store.write("base", 0, b"base")
    store.write("base", 4 * MB, b"more")
    store.clone("base", "leaf")
    assert store.diff("leaf", "base") == []
    assert store.allocated_bytes("leaf", "base") == 0
    store.write("leaf", 0, b"leaf")
    assert (store.read("base", 0, 4), store.read("leaf", 0, 4)) == (b"base", b"leaf")
    assert store.diff("leaf", "base") == [0]
    assert store.allocated_bytes("leaf", "base") == BLOCK_BYTES


def test_what_became_zeros_is_a_difference(store: DiskStore) -> None:
    store.create("base", 4 * MB)
    store.write("base", 2 * MB, b"x")
    store.clone("base", "leaf")
    store.write("leaf", 2 * MB, b"\0")
    assert store.diff("leaf", "base") == [1]


def test_forks_share_bytes_and_go_their_own_ways(store: DiskStore) -> None:
    store.create("vdi", 4 * MB)
    store.write("vdi", 0, b"golden")
    forks = [store.fork() for _ in range(200)]
    forks[7].write("vdi", 0, b"seven!")
    forks[8].destroy("vdi")
    assert forks[7].read("vdi", 0, 6) == b"seven!"
    assert "vdi" not in forks[8]
    assert {fork.read("vdi", 0, 6) for fork in forks if fork not in (forks[7], forks[8])} == {b"golden"}
    assert store._file.stored_bytes == 2 * BLOCK_BYTES


def test_the_same_image_on_many_disks_is_stored_once(store: DiskStore) -> None:
    image = bytes(range(256)) * (4 * MB // 256)
    for host in range(20):
        store.create(host, 4 * MB)
        writer = store.writer(host)
        for offset in range(0, 4 * MB, 300_000):
            writer.write(offset, image[offset : offset + 300_000])
        writer.flush()
    assert store.read(19, 0, 4 * MB) == image
    assert store._file.stored_bytes == BLOCK_BYTES


def test_destroying_the_last_disk_frees_its_bytes(store: DiskStore) -> None:
    store.create("vdi", 4 * MB)
    store.write("vdi", 0, b"x")
    store.snapshot("vdi", "snapshot")
    store.destroy("vdi")
    assert store._file.stored_bytes == BLOCK_BYTES
    store.destroy("snapshot")
    assert store._file.stored_bytes == 0


def test_what_is_cut_off_does_not_come_back(store: DiskStore) -> None:
    store.create("vdi", 6 * MB)
    store.write("vdi", 0, b"x" * (6 * MB))
    store.resize("vdi", 3 * MB)
    store.resize("vdi", 6 * MB)
    assert store.read("vdi", 0, 6 * MB) == b"x" * (3 * MB) + bytes(3 * MB)
    assert store.blocks("vdi") == [0, 1]


@pytest.mark.parametrize(("offset", "length"), [(-1, 2), (4 * MB, 1), (4 * MB - 1, 2)])
def test_beyond_the_end_is_refused(store: DiskStore, offset: int, length: int) -> None:
    store.create("vdi", 4 * MB)
    with pytest.raises(DiskError, match="do not fit a disk of 4194304 bytes"):
        store.read("vdi", offset, length)
    with pytest.raises(DiskError, match="do not fit"):
        store.write("vdi", offset, b"x" * length)


def test_a_key_without_a_disk_is_a_key_error(store: DiskStore) -> None:
    with pytest.raises(KeyError):
        store.read("vdi", 0, 1)


Writes = st.lists(st.tuples(st.integers(0, 5 * MB - 1), st.binary(min_size=1, max_size=20), st.booleans()), max_size=12)


@settings(max_examples=30, deadline=None)
@given(Writes)
def test_a_disk_behaves_like_bytes_whatever_is_written(writes: list[tuple[int, bytes, bool]]) -> None:
    store, plain = DiskStore(BlockFile()), bytearray(5 * MB)
    store.create("vdi", len(plain))
    for offset, content, is_zeros in writes:
        piece = bytes(len(content)) if is_zeros else content
        piece = piece[: len(plain) - offset]
        store.write("vdi", offset, piece)
        plain[offset : offset + len(piece)] = piece
    assert store.read("vdi", 0, len(plain)) == bytes(plain)
    assert store.blocks("vdi") == [number for number in range(3) if any(plain[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES])]
    store.close()
