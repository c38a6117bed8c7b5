"""What runs in dom0 needs no more than a dom0 has: Python 3.6 and its standard library."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from compute_core import dom0

FOLDER = Path(dom0.__file__).parent


def test_python_3_6_is_enough() -> None:
    vermin = Path(sys.executable).parent / "vermin"
    done = subprocess.run([vermin, "-t=3.6-", "--no-tips", "--violations", str(FOLDER)], capture_output=True, text=True, check=False)
    assert (done.returncode, "Minimum required versions: 3.6" in done.stdout) == (0, True), done.stdout


def test_a_newer_python_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("import subprocess\nsubprocess.run(['x'], capture_output=True)\n", encoding="utf-8")
    vermin = Path(sys.executable).parent / "vermin"
    done = subprocess.run([vermin, "-t=3.6-", "--no-tips", "--violations", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_nothing_but_the_standard_library_is_imported() -> None:
    imported = {name.partition(".")[0] for path in FOLDER.glob("*.py") for name in _imports(ast.parse(path.read_text(encoding="utf-8")))}
    assert imported - set(sys.stdlib_module_names) == {"compute_core"}
    inner = {
        name for path in FOLDER.glob("*.py") for name in _imports(ast.parse(path.read_text(encoding="utf-8"))) if "compute_core" in name
    }
    assert {name for name in inner if not name.startswith("compute_core.dom0")} == set()


def _imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found
