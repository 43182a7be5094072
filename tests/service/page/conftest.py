"""The page of a small sample, as ``wav2tok demo`` serves it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.servers import service
from wav2tok.sample.corpus import make


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three melodies by three singers, and a file that is no audio."""
    folder = tmp_path_factory.mktemp("page") / "sample"
    make(folder, melodies=3, singers=3)
    (folder / "broken.wav").write_text("not audio")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Token strings are not kept in the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def address(_cache: None, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of the sample."""
    with service(tmp_path_factory.mktemp("demo"), sample, verb="demo") as running:
        yield running.url
        assert running.stop() == 0
        assert "Traceback" not in running.log.read_text()
