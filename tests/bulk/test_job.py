"""Bulk tokenizing on a real Ray cluster of two nodes on this machine: one row for each file, whatever is killed."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from rapidfuzz.distance import Levenshtein

from tests.helpers import free_port
from wav2tok.bulk import cluster, parts
from wav2tok.errors import UserError
from wav2tok.tokenizer.batch import Failure, tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer

pytest.importorskip("ray", reason='Ray is not installed: pip install "wav2tok[ray]"')
pytestmark = [pytest.mark.slow, pytest.mark.services]
WAV2TOK = Path(sys.executable).parent / "wav2tok"


@pytest.fixture(scope="module")
def ray_cluster():
    """Two nodes of one CPU each; yields the address, and the processes of their daemons."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        made = Cluster()
        try:
            for _ in range(2):
                made.add_node(num_cpus=1, num_gpus=0, object_store_memory=100 << 20, include_dashboard=False)
            yield made.address, [node.all_processes["raylet"][0].process.pid for node in made.list_all_nodes()]
        finally:
            made.shutdown()


def actors(daemons):
    """The processes in which files are tokenized now."""
    found = []
    for daemon in daemons:
        for process in psutil.Process(daemon).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if any("Encode" in word for word in process.cmdline()):
                    found.append(process)
    return found


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """48 recordings of a second to a minute, and what cannot be read or is doubtful."""
    folder = tmp_path_factory.mktemp("bulk") / "recordings"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(48):
        wave = 0.3 * np.sin(2 * np.pi * np.cumsum(rng.uniform(100, 900, 8000 * (60 if i % 4 else 1))) / 8000)
        soundfile.write(folder / f"{i:02d}.flac", wave, 8000)
    (folder / "text.wav").write_text("no audio")
    soundfile.write(folder / "silent.wav", np.zeros(8000), 8000)
    return folder


@pytest.fixture(scope="module")
def expected(recordings, tiny_model):
    """{path: tokens, or the error}, tokenized in this process."""
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu", 1)
    found = tokenize_files(sorted(map(str, recordings.iterdir())), tokenizer)
    return {one.path: one.error if isinstance(one, Failure) else one.tokens.tolist() for one in found}


def run(*arguments, **options):
    return subprocess.run([WAV2TOK, "tokenize", *map(str, arguments)], capture_output=True, text=True, **options)


def same(left, right):
    """Whether two of these say the same; what else is in a batch may turn a token in hundreds, by rounding."""
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    return Levenshtein.normalized_distance(left, right) < 0.02


def require_same(rows, expected):
    assert rows.keys() == expected.keys()
    assert [path for path in rows if not same(rows[path], expected[path])] == []


def found(folder):
    """{path: tokens or the error} of a folder of parts, each once."""
    rows = [row for part in parts.read(folder) for row in part.to_pylist()]
    assert max(Counter(row["path"] for row in rows).values()) == 1
    return {row["path"]: row["error"] or row["tokens"] for row in rows}


def test_one_row_for_each_file_and_nothing_to_do_the_second_time(
    ray_cluster, recordings, expected, tiny_model, tmp_path
):
    address, _ = ray_cluster
    asked = (recordings, "--model", tiny_model, "--ray", address, "--out", tmp_path / "tokens")
    done = run(*asked)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    require_same(found(tmp_path / "tokens"), expected)
    failures = [json.loads(line) for line in done.stderr.splitlines() if '"error"' in line]
    assert [failure["path"] for failure in failures] == [str(recordings / "text.wav")]
    rows = {row["path"]: row for part in parts.read(tmp_path / "tokens") for row in part.to_pylist()}
    assert rows[str(recordings / "silent.wav")]["warning"] == f"{recordings / 'silent.wav'} is silent (-200 dBFS)"
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu", 1)
    for row in rows.values():
        assert (row["model"], row["identity"]) == (str(tiny_model), tokenizer.identity)
        assert (row["sample_rate"], row["step"]) == (tokenizer.sample_rate, tokenizer.step)
    assert rows[str(recordings / "00.flac")]["duration_s"] == 1.0

    # The bad file is replaced; it alone is done, and has one row again.
    shutil.copy(recordings / "00.flac", tmp_path / "text.wav")
    whole = (recordings / "text.wav").read_bytes()
    try:
        shutil.copy(tmp_path / "text.wav", recordings / "text.wav")
        again = run(*asked)
    finally:
        (recordings / "text.wav").write_bytes(whole)
    assert again.returncode == 0, again.stderr
    assert f"1 rows written, 0 of them with an error, {len(expected) - 1} were there" in again.stderr
    good = expected[str(recordings / "00.flac")]
    require_same(found(tmp_path / "tokens"), expected | {str(recordings / "text.wav"): good})
    # Nothing is left: no cluster is asked.
    idle = run(*asked[:3], "--ray", f"127.0.0.1:{free_port()}", "--out", tmp_path / "tokens")
    assert idle.returncode == 0, idle.stderr


def test_a_killed_worker_and_a_killed_job_lose_and_double_nothing(
    ray_cluster, recordings, expected, tiny_model, tmp_path
):
    """First a worker dies in mid-way, then the job itself; the same command finishes."""
    address, daemons = ray_cluster
    code = f"""
import sys
from pathlib import Path
from wav2tok.bulk import job, parts
from wav2tok.tokenizer.tokenizer import Tokenizer
job.FILES, parts.ROWS = 2, 4
files = sorted(map(str, Path({str(recordings)!r}).iterdir()))
tokenizer = Tokenizer.from_pretrained({str(tiny_model)!r}, "cpu", 1)
for number, _ in enumerate(job.tokenize(files, tokenizer, Path({str(tmp_path / "tokens")!r}), {address!r})):
    print(number, flush=True)
    if number == int(sys.argv[1]):
        sys.stdin.readline()
"""
    job = subprocess.Popen([sys.executable, "-c", code, "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for line in job.stdout:
        if line == "3\n":
            break
    at_work = actors(daemons)
    assert at_work
    at_work[0].send_signal(signal.SIGKILL)
    job.stdin.write("\n")
    job.stdin.flush()
    for line in job.stdout:
        if line == "20\n":
            break
    job.kill()
    job.wait()
    begun = parts.finished(tmp_path / "tokens")
    assert 0 < len(begun) < len(expected)
    done = run(recordings, "--model", tiny_model, "--ray", address, "--out", tmp_path / "tokens")
    assert done.returncode == 1, done.stderr
    require_same(found(tmp_path / "tokens"), expected)
    assert not [name for name in os.listdir(tmp_path / "tokens") if not name.startswith("part-")]


def test_every_worker_killed_once_in_one_job(ray_cluster, recordings, expected, tiny_model, tmp_path, monkeypatch):
    from wav2tok.bulk import job

    address, daemons = ray_cluster
    monkeypatch.setattr(job, "FILES", 1)
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu", 1)
    killed = set()
    for number, _ in enumerate(job.tokenize(sorted(expected), tokenizer, tmp_path / "tokens", address)):
        if number in (2, 20):
            for process in actors(daemons):
                killed.add(process.pid)
                process.send_signal(signal.SIGKILL)
    assert len(killed) >= 2
    require_same(found(tmp_path / "tokens"), expected)


@pytest.mark.parametrize(
    ("device", "threads", "sentence"),
    [
        ("cuda", 1, "device is 'cuda', but no machine of the cluster has one"),
        ("cuda:1", 1, "device is 'cuda:1', but Ray chooses the devices"),
        ("auto", 3, "3 threads are more than the 2 CPUs of the cluster"),
    ],
)
def test_what_the_cluster_does_not_have_is_refused(
    device, threads, sentence, ray_cluster, recordings, tiny_model, tmp_path
):
    from wav2tok.bulk import job

    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu", 1)
    files = [str(recordings / "00.flac")]
    with pytest.raises(UserError, match=sentence):
        list(job.tokenize(files, tokenizer, tmp_path / "tokens", ray_cluster[0], device, threads))
    assert not (tmp_path / "tokens").exists()


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "somewhere"])
def test_other_addresses_are_refused(address):
    with pytest.raises(UserError), cluster.connected(address):
        pass


def test_an_address_that_nobody_answers_is_one_sentence_at_once():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match=f"no Ray cluster answers at {address}"), cluster.connected(address):
        pass
