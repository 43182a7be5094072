"""A service of the tiny model in this process, with an index of the tiny corpus."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.service.servers import ready
from wav2tok.search.index import Index
from wav2tok.service.app import create_app
from wav2tok.service.settings import Settings
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return Tokenizer(tiny_model, "cpu", threads=1)


@pytest.fixture(scope="session")
def graph(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's graph, by itself."""
    return Path(shutil.copy(tiny_model / "tokenizer.onnx", tmp_path_factory.mktemp("graph") / "tiny.onnx"))


@pytest.fixture(scope="session")
def index(graph: Path, tiny_corpus: Path, tokenizer: Tokenizer) -> Path:
    """An index of the tiny corpus."""
    path = graph.parent / "index"
    Index.build([tiny_corpus], tokenizer).save(path)
    return path


@pytest.fixture
def started(graph: Path) -> Iterator[Callable[..., TestClient]]:
    """A function that starts a service of the tiny model with these settings and returns its client."""
    clients = []

    def start(**settings: object) -> TestClient:
        client = TestClient(create_app(Settings(str(graph), threads=1, **settings)), "http://127.0.0.1:8000")
        client.__enter__()
        clients.append(client)
        return ready(client)

    yield start
    for client in clients:
        client.__exit__()


@pytest.fixture(scope="module")
def client(graph: Path, index: Path) -> Iterator[TestClient]:
    """A client of a service with ordinary settings."""
    with TestClient(create_app(Settings(str(graph), index, threads=1)), "http://127.0.0.1:8000") as asking:
        yield ready(asking)
