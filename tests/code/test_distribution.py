"""What is installed from the distribution is what the repository has: modules, data files, and the entry points."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser

import pytest

from tests.code.sources import PRODUCT, ROOT

TOP = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel that pip builds from a copy of the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in TOP:
        shutil.copy(ROOT / name, folder / name)
    for package in PRODUCT:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(folder)]
    subprocess.run(build, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_every_file_of_the_packages_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    installed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = {path for package in PRODUCT for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert installed == {str(path.relative_to(ROOT)) for path in files}


def test_the_wheel_brings_the_command_and_the_pytest_plugins(wheel: zipfile.ZipFile) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    entries = ConfigParser(delimiters="=")
    [name] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    entries.read_string(wheel.read(name).decode())
    assert dict(entries["console_scripts"]) == project["scripts"]
    assert dict(entries["pytest11"]) == project["entry-points"]["pytest11"]
