"""The programs that make disks and file systems: mke2fs, mkswap, sfdisk, e2fsck, resize2fs, tune2fs. Blocking; for threads."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from compute_core.model.errors import BuildFailed

FOLDERS = ("/usr/sbin", "/sbin")
"""Where they are when PATH does not say so."""
PACKAGES: Mapping[str, str] = {"mkswap": "util-linux", "sfdisk": "fdisk"}
"""Debian's, where it is not e2fsprogs."""
LIMIT_S = 900.0
SAID_BYTES = 300


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int
    output: str


def run(program: str, *arguments: str, given: str = "", accepts: Collection[int] = (0,)) -> Ended:
    """Run a program to its end. BuildFailed, for this machine alone, when it is missing or ends with another code."""
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *FOLDERS]))
    if found is None:
        package = PACKAGES.get(program, "e2fsprogs")
        raise BuildFailed(f"The agent's machine lacks {program}. Cure: apt-get install {package}.", is_retryable=True)
    try:
        done = subprocess.run(
            [found, *arguments], input=given, capture_output=True, text=True, check=False, timeout=LIMIT_S, env={"LC_ALL": "C"}
        )
    except subprocess.TimeoutExpired as late:
        raise BuildFailed(f"{program} did not end within {LIMIT_S:g} s.", is_retryable=True) from late
    if done.returncode not in accepts:
        said = (done.stderr or done.stdout).strip()[-SAID_BYTES:]
        raise BuildFailed(f"{program} ended with {done.returncode}: {said}", is_retryable=True)
    return Ended(done.returncode, done.stdout)
