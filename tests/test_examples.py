"""The notebook runs from its first cell to its last, and shows no path of the machine that it was run on."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
NOTEBOOK = PROJECT / "examples" / "quickstart.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
RUN = """
import ast, json, sys
names = {"__name__": "__main__"}
for number, cell in enumerate(json.loads(sys.stdin.read())):
    body = ast.parse(cell).body
    last = ast.Expression(body.pop().value) if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), f"cell {number}", "exec"), names)
    if last is not None:
        value = eval(compile(last, f"cell {number}", "eval"), names)
        print(f"{number}: {type(value).__name__}")
print("top:", names["index"].search(names["tokenizer"].encode_file(names["others"][0]), top=1)[0].distance)
"""
"""Runs the cells in order, and says of what type a cell's last expression is, which a notebook shows."""


@pytest.mark.slow
def test_every_cell_runs(tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")]),
        "TMPDIR": str(tmp_path),
        "MPLBACKEND": "agg",
    }
    command, cells = [sys.executable, "-c", RUN], json.dumps(CODE)
    done = subprocess.run(command, input=cells, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.endswith(": Figure")] == ["4: Figure", "5: Figure"]
    assert "top: 0.0" in done.stdout
    assert len(re.findall(r"^epoch \d", done.stdout, flags=re.M)) == 3


def test_it_is_small_and_was_run_in_order_without_errors() -> None:
    assert NOTEBOOK.stat().st_size < 300_000
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert all(output["output_type"] != "error" and output.get("name") != "stderr" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2


def test_it_names_no_folder_of_a_machine() -> None:
    text = json.dumps([cell.get("outputs", []) for cell in CELLS if "outputs" in cell])
    text = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.search(r"/(?:home|root|tmp|work|Users|var|private)\b|site-packages", text + "".join(CODE))
