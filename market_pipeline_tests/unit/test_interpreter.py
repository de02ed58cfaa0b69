"""Programs that we start import nothing from the working folder."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import market_pipeline
from market_pipeline.interpreter import PYTHON
from market_pipeline.local import supervisord
from market_pipeline.settings import Settings

PACKAGE = Path(market_pipeline.__file__).parent
SHADOW = "open({made!r}, 'w').close()\nraise SystemExit(7)\n"


@pytest.mark.parametrize("how", [("-m", "market_pipeline.cli", "--help"), ("-c", "import market_pipeline.settings")])
def test_a_module_of_the_working_folder_is_not_imported(tmp_path: Path, how: tuple[str, ...]) -> None:
    made = tmp_path / "made"
    (tmp_path / "market_pipeline").mkdir()
    (tmp_path / "market_pipeline" / "__init__.py").write_text(SHADOW.format(made=str(made)))
    unsafe = subprocess.run([sys.executable, *how], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (unsafe.returncode, made.exists()) == (7, True)  # as Python does it by itself
    made.unlink()
    done = subprocess.run([*PYTHON, *how], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (done.returncode, made.exists()) == (0, False)


def test_no_program_is_started_by_python_itself() -> None:
    """Whoever starts a Python names ``PYTHON``; PySpark alone wants the path."""
    found = [
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "executable"
    ]
    assert sorted(found) == ["interpreter.py", "local/supervisord.py"]


def test_what_those_programs_start_imports_nothing_either(tmp_path: Path) -> None:
    variables = supervisord.environment_for(Settings.load(data_dir=tmp_path), {}, tmp_path)
    assert variables["PYTHONSAFEPATH"] == "1"
