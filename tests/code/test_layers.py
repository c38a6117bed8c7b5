"""Who may import whom, as pyproject.toml says it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.code.sources import PRODUCT, ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def test_every_import_follows_the_layers() -> None:
    done = subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_package_of_the_product_is_under_the_rules_and_in_the_distribution() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == set(PRODUCT)
    assert set(SETTINGS["importlinter"]["root_packages"]) == packages
    assert {name.removesuffix("*") for name in SETTINGS["setuptools"]["packages"]["find"]["include"]} == packages
    assert set(SETTINGS["mypy"]["packages"]) == packages | {"tests"}
