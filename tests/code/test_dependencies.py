"""What the code imports is declared, what is declared is locked, and what is locked is named by hash and by nothing else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import packages_distributions

from tests.code.sources import ALL, PRODUCT, ROOT, sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
USED_BY_OTHER_MEANS: Mapping[str, str] = {
    "ansible": "a program",
    "asyncpg": "SQLAlchemy loads it by the name in a database's URL",
    "greenlet": "SQLAlchemy's asyncio extension stands on it",
    "hypothesis": "tests only",
    "import-linter": "a tool",
    "mypy": "a tool",
    "pytest-xdist": "a plugin",
    "python-openstackclient": "a program",
    "ruff": "a tool",
    "setuptools": "builds the distribution",
    "types-jsonschema": "types",
    "types-psutil": "types",
    "vermin": "a program",
    "types-pyyaml": "types",
    "vncdotool": "a program",
}
"""Declared distributions that no module of the product or of the tests imports, and what they are for."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", name, maxsplit=1)[0]).lower()


def is_from_elsewhere(name: str) -> bool:
    """Whether an import is neither ours nor the standard library's; files that tests hand to other programs count as ours."""
    return name not in sys.stdlib_module_names and name not in {*ALL, "_typeshed"}


def declared(*tables: Iterable[str]) -> set[str]:
    return {normal(requirement) for table in tables for requirement in table}


LATE = ("compute_core.wiring", "fake_xapi.fleet.serving", "scenarios.testbed", "scenarios.bench")
"""What commands import when they run."""

RUNTIME = declared(PROJECT["project"]["dependencies"])
OPTIONAL = declared(*PROJECT["project"]["optional-dependencies"].values())
GROUPS = declared(*PROJECT["dependency-groups"].values())


def imported(packages: tuple[str, ...]) -> dict[str, str]:
    """Each distribution that some module imports, and one file that does."""
    providers = packages_distributions()
    return {
        normal(distribution): source.path
        for source in sources(packages)
        for name in imports(source.tree)
        if is_from_elsewhere(name)
        for distribution in providers.get(name, [f"{name} (not installed)"])[:1]
    }


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def locked(name: str) -> dict[str, str]:
    """The locked distributions with their versions."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return {normal(found[1]): found[2] for found in re.finditer(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}


def test_the_product_imports_what_it_declares() -> None:
    assert {name: path for name, path in imported(PRODUCT).items() if name not in RUNTIME | OPTIONAL} == {}


def test_the_tests_import_what_is_declared() -> None:
    assert {name: path for name, path in imported(("tests",)).items() if name not in RUNTIME | OPTIONAL | GROUPS} == {}


def test_nothing_is_declared_that_nobody_uses() -> None:
    assert (RUNTIME | OPTIONAL | GROUPS) - set(imported(ALL)) - set(USED_BY_OTHER_MEANS) == set()


def test_the_locks_hold_what_is_declared() -> None:
    assert set(locked("requirements.lock")) >= RUNTIME | OPTIONAL
    assert set(locked("requirements-test.lock")) >= RUNTIME | OPTIONAL | GROUPS


def test_every_command_loads_where_no_extra_is_installed() -> None:
    providers = packages_distributions()
    extra = sorted(name for name, distributions in providers.items() if {normal(found) for found in distributions} & (OPTIONAL - RUNTIME))
    assert "aio_pika" in extra
    absent = f"sys.modules.update(dict.fromkeys({extra}))"
    load = f"from scenarios import cli; [cli._load(chapter) for chapter in cli.CONTENTS.values()]; import {', '.join(LATE)}"
    done = subprocess.run([sys.executable, "-c", f"import sys; {absent}; {load}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_test_lock_only_adds_to_the_lock() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-test.lock").items()


def test_every_locked_file_is_named_by_hash_and_no_host_is_named() -> None:
    for name in ("requirements.lock", "requirements-test.lock"):
        blocks = re.split(r"^(?=[\w.-]+==)", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
        assert not any("://" in block or "--index" in block for block in blocks)
