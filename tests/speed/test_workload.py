"""What a benchmark takes is said before it begins, and more than there is is refused."""

from pathlib import Path

import pytest

from wav2tok.errors import UserError
from wav2tok.speed.workload import require_room


def test_what_a_benchmark_takes_is_said(tmp_path: Path, lines: list[str]) -> None:
    require_room(tmp_path, 600, 2.0, 16_000, memory=1e9)
    assert lines == ["600 recordings of 2 s: up to 38 MB of disk and 77 MB of memory"]


@pytest.mark.parametrize(("count", "where"), [(10**9, "disk in"), (1_000, "memory")])
def test_more_than_there_is_is_refused(count: int, where: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"GB of {where}.*benchmark fewer"):
        require_room(tmp_path, count, 60.0, 16_000, memory=1e9)
    assert not list(tmp_path.iterdir())
