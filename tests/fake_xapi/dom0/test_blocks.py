"""Blocks: each content once, freed by nobody holding it, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fake_xapi.dom0.blocks import BLOCK_BYTES, BlockFile


def block_of(byte: int) -> bytes:
    return bytes([byte]) * BLOCK_BYTES


def test_equal_contents_are_one_block() -> None:
    file = BlockFile()
    first, second = file.put(block_of(1)), file.put(block_of(1))
    assert first is second
    assert file.stored_bytes == BLOCK_BYTES
    file.close()


def test_zeros_are_not_stored_and_make_no_file(tmp_path: Path) -> None:
    file = BlockFile(tmp_path)
    assert file.put(bytes(BLOCK_BYTES)) is None
    assert file.stored_bytes == 0
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_nobody_holds_makes_room_for_the_next() -> None:
    file = BlockFile()
    kept, dropped = file.put(block_of(1)), file.put(block_of(2))
    assert file.stored_bytes == 2 * BLOCK_BYTES
    del dropped
    assert file.stored_bytes == BLOCK_BYTES
    next_one = file.put(block_of(3))
    assert kept is not None
    assert next_one is not None
    assert (kept.slot, next_one.slot) == (0, 1)
    assert (file.get(kept), file.get(next_one)) == (block_of(1), block_of(3))
    file.close()


def test_the_file_shrinks_to_nothing_with_its_last_block() -> None:
    file = BlockFile()
    block = file.put(block_of(1))
    descriptor = file._descriptor
    assert os.fstat(descriptor).st_size == BLOCK_BYTES
    del block
    assert os.fstat(descriptor).st_size == 0
    assert file.stored_bytes == 0
    file.close()


def test_a_part_of_a_block_is_read_alone() -> None:
    file = BlockFile()
    block = file.put(b"abcd" + bytes(BLOCK_BYTES - 4))
    assert block is not None
    assert file.part(block, 1, 2) == b"bc"
    file.close()


def test_a_block_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a block has 2097152 bytes, not 3"):
        BlockFile().put(b"abc")


def test_a_full_disk_leaves_the_blocks_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    file = BlockFile()
    first = file.put(block_of(1))
    assert first is not None

    def is_full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", is_full)
        with pytest.raises(OSError, match="No space left"):
            file.put(block_of(2))
    assert file.stored_bytes == BLOCK_BYTES
    second = file.put(block_of(2))
    assert second is not None
    assert (file.get(first), file.get(second)) == (block_of(1), block_of(2))
    file.close()


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGKILL"])
def test_a_killed_process_leaves_no_file_behind(tmp_path: Path, signal: str) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from fake_xapi.dom0.blocks import BLOCK_BYTES, BlockFile\n"
        "file = BlockFile(Path(sys.argv[1])); block = file.put(b'x' * BLOCK_BYTES); os.kill(os.getpid(), getattr(signal, sys.argv[2]))"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path), signal], check=False)
    assert ended.returncode in (-15, -9)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_forgotten_is_closed() -> None:
    file = BlockFile()
    block = file.put(block_of(7))
    descriptor = file._descriptor
    del block, file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
