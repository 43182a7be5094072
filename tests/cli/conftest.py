"""The command line in this process, with its own working folder and store, and a model registered there."""

import io
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.cli.works import Work, environment
from wav2tok.cli import main
from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on stderr of a command that refused its input."""
        assert self.code == 2, self
        # MLflow reports the tables that it makes in a new store.
        lines = [line for line in self.err.splitlines() if not re.search(r" INFO (mlflow|alembic)", line)]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("wav2tok: ")
        return lines[0].removeprefix("wav2tok: ")


Cli = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder; the MLflow store lies outside it."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    yield work
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)


@pytest.fixture
def cli(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run ``wav2tok ARGUMENTS`` in `folder`; any exception other than an exit is raised, so no traceback is hidden."""

    def run(*arguments: object, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["wav2tok", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def registry_store(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store that holds ``tiny``: version 1, the champion, and version 2. Tests may move the alias."""
    import mlflow

    from tests import registrations
    from wav2tok.stages.export import export

    root = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{root}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow.set_tracking_uri(uri)
        export(tiny_model, None, root / "export")
        mlflow.set_experiment("tiny")
        for wins, score in ((True, 0.5), (False, 0.4)):
            registrations.register(root / "export", "tiny", wins=wins, tags={"score": score, "test_digest": "the test"})
        mlflow.set_tracking_uri(None)
    yield uri
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="session")
def work(
    tiny_corpus: Path, tiny_split: Path, tiny_model: Path, tiny_config: Config, tmp_path_factory: pytest.TempPathFactory
) -> Work:
    """A working folder in which a model was trained, evaluated, exported and registered."""
    folder = tmp_path_factory.mktemp("interrupted") / "work"
    folder.mkdir()
    values = to_dict(tiny_config)
    values["data"]["path"] = "corpus"
    values["gate"] |= {"min_mrr": 0.0, "min_map": 0.0, "min_codebook_use": 0.0, "beat": []}
    values["register"] |= {"min_queries": 4}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    shutil.copy(tiny_split, folder / "audios.bin")
    shutil.copy(tiny_split.with_suffix(".json"), folder / "audios.json")
    shutil.copytree(tiny_model, folder / "model")
    shutil.copytree(tiny_corpus, folder / "corpus")
    for name in ("arch", "climb"):
        shutil.copytree(tiny_corpus / name, folder / "more" / name)
        shutil.copytree(tiny_corpus / name, folder / "inbox" / name)
    shutil.copy(tiny_corpus / "arch" / "ada_0.flac", folder / "query.flac")
    made = Work(folder, environment())
    for arguments in (
        "evaluate --data audios.bin --model model --out report",
        "export --model model --report report --data audios.bin --out export",
        "register --model export --report report --data audios.bin --out registered",
        "index build corpus --model model --out index",
    ):
        made.run(arguments, folder)
    return made
