"""The graph tells the truth: a stage depends on exactly the code that it imports."""

from pathlib import Path

import grimp
import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
STAGES = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]


def code_of(stage: str) -> set[Path]:
    """The code that a stage declares."""
    return {Path(dependency) for dependency in STAGES[stage]["deps"] if dependency.startswith("wav2tok/")}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("wav2tok")


def source(module: str) -> Path:
    path = Path(module.replace(".", "/"))
    return path / "__init__.py" if (PROJECT / path).is_dir() else path.with_suffix(".py")


def closure(imports: grimp.ImportGraph, stage: str) -> set[Path]:
    """Every file that ``wav2tok/stages/STAGE.py`` imports, directly or not, inside functions too."""
    module = f"wav2tok.stages.{stage}"
    files = {source(found) for found in (*imports.find_upstream_modules(module), module)}
    # The names of packages alone, which hold no code.
    return {file for file in files if file.name != "__init__.py"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_the_code_that_it_runs(imports: grimp.ImportGraph, stage: str) -> None:
    declared = code_of(stage)
    missing = {str(file) for file in closure(imports, stage) if not declared & {file, *file.parents}}
    assert not missing


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_that_it_does_not_run(imports: grimp.ImportGraph, stage: str) -> None:
    run = closure(imports, stage)
    unused = {str(path) for path in code_of(stage) if not any(path in {file, *file.parents} for file in run)}
    assert unused <= {"wav2tok/config"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_templates_next_to_its_code(imports: grimp.ImportGraph, stage: str) -> None:
    declared = code_of(stage)
    folders = {file.parent for file in closure(imports, stage)}
    templates = [path for folder in folders for path in folder.iterdir() if path.suffix in {".html", ".css", ".md"}]
    assert {str(path) for path in templates if not declared & set(path.parents)} == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_profiles(stage: str) -> None:
    assert Path("wav2tok/config") in code_of(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_the_verb_of_its_name(stage: str) -> None:
    assert STAGES[stage]["cmd"].split()[:4] == ["python", "-m", "wav2tok", stage]
    assert (PROJECT / "wav2tok" / "stages" / f"{stage}.py").is_file()


def test_packages_hold_no_code_of_their_own() -> None:
    """So that `closure` may leave them out: an ``__init__.py`` is a docstring, or names what others export."""
    for file in (PROJECT / "wav2tok").glob("*/**/__init__.py"):
        if file.parent.name not in ("cli", "speed"):
            assert "def " not in file.read_text(), file
