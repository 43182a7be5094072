"""``wav2tok tokenize``: one JSON line per recording, in order; a bad file does not affect the others."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from pyarrow import parquet

from wav2tok.audio import ahead, decode
from wav2tok.model import checkpoint
from wav2tok.tokenizer import batch

FORMATS = ("jsonl", "csv", "parquet")
KEYS = ["path", "duration_s", "tokens", "model", "identity"]


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def expected(tiny_model, tiny_corpus):
    """Path -> tokens by torch, one recording at a time, repeats dropped here."""
    model, config, _ = checkpoint.load(tiny_model)
    strings = {}
    for path in sorted(tiny_corpus.rglob("*.flac")):
        wave = torch.from_numpy(decode.read(path, config.data.sample_rate))[None]
        with torch.inference_mode():
            tokens, count = model(wave, torch.tensor([wave.shape[1]]))
        found = tokens[0, : int(count[0])].tolist()
        strings[str(path)] = [t for i, t in enumerate(found) if i == 0 or t != found[i - 1]]
    return strings


def test_a_line_has_exactly_these_keys_in_this_order(cli, expected, tiny_model):
    paths = sorted(expected)[:5][::-1]
    done = cli("tokenize", *paths, "--model", tiny_model)
    assert (done.code, done.err) == (0, "")
    found = lines(done.out)
    assert [list(line) for line in found] == [KEYS] * 5
    assert [line["path"] for line in found] == paths
    for line in found:
        assert line["tokens"] == expected[line["path"]]
        info = soundfile.info(line["path"])
        assert line["duration_s"] == pytest.approx(info.frames / info.samplerate, abs=1e-3)
        assert line["model"] == str(tiny_model)


def test_csv_and_parquet_hold_what_the_lines_hold(expected, tiny_model, tmp_path):
    paths = sorted(expected)[:3]
    command = [Path(sys.executable).parent / "wav2tok", "tokenize", *paths, "--model", tiny_model, "--format"]
    made = {form: subprocess.run([*command, form], capture_output=True, check=True).stdout for form in FORMATS}
    rows = lines(made["jsonl"].decode())
    assert [row["tokens"] for row in rows] == [expected[path] for path in paths]
    in_csv = list(csv.DictReader(io.StringIO(made["csv"].decode())))
    assert [row | {"tokens": [int(t) for t in row["tokens"].split()]} for row in in_csv] == [
        row | {"duration_s": str(row["duration_s"])} for row in rows
    ]
    assert parquet.read_table(io.BytesIO(made["parquet"])).to_pylist() == rows


def test_quiet_verbose_and_threads(cli, expected, tiny_model):
    path = sorted(expected)[0]
    plain = cli("tokenize", path, "--model", tiny_model)
    detailed = cli("tokenize", path, "--model", tiny_model, "-v", "--threads", 1)
    assert (plain.err, detailed.out) == ("", plain.out)
    assert "1 threads" in detailed.err
    assert "tokenize took" in detailed.err
    assert cli("tokenize", path, "--model", tiny_model, "-q").out == plain.out


def test_a_folder_is_walked_in_order(cli, expected, tiny_model, tiny_corpus):
    found = lines(cli("tokenize", tiny_corpus, "--model", tiny_model / "tokenizer.onnx").out)
    assert {line["path"]: line["tokens"] for line in found} == expected
    assert [line["path"] for line in found] == sorted(expected)


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_a_list_on_stdin(arguments, cli, expected, tiny_model):
    paths = sorted(expected)[3:6]
    done = cli("tokenize", *arguments, "--model", tiny_model, stdin="\n".join([*paths, "", ""]))
    assert done.code == 0
    assert [(line["path"], line["tokens"]) for line in lines(done.out)] == [(p, expected[p]) for p in paths]


def test_a_real_pipe(expected, tiny_model, tmp_path):
    paths = sorted(expected)[:2]
    done = subprocess.run(
        [Path(sys.executable).parent / "wav2tok", "tokenize", "--model", tiny_model, "--device", "cpu"],
        input="\n".join([*paths, "absent.flac"]), capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert [line["tokens"] for line in lines(done.stdout)] == [expected[p] for p in paths]
    assert [list(line) for line in lines(done.stderr)] == [["path", "error"]]
    assert not list(tmp_path.iterdir())


def test_a_truncated_recording_is_one_line_on_stderr_and_the_rest_is_done(cli, folder, expected, tiny_model):
    paths = []
    for i, path in enumerate(sorted(expected)[:4]):
        paths.append(f"{i}.flac")
        shutil.copy(path, paths[-1])
    whole = Path("2.flac").read_bytes()
    Path("2.flac").write_bytes(whole[: len(whole) * 6 // 10])
    done = cli("tokenize", ".", "--model", tiny_model)
    assert done.code == 1
    found = lines(done.err)
    assert len(found) == 1
    assert list(found[0]) == ["path", "error"]
    assert found[0]["path"] == "2.flac"
    assert "2.flac" in found[0]["error"]
    assert [line["path"] for line in lines(done.out)] == ["0.flac", "1.flac", "3.flac"]
    assert [line["tokens"] for line in lines(done.out)] == [expected[p] for i, p in enumerate(sorted(expected)[:4])
                                                            if i != 2]  # fmt: skip


def test_every_kind_of_bad_file_is_named(cli, folder, expected, tiny_model):
    good = sorted(expected)[0]
    Path("text.wav").write_text("no audio")
    Path("nothing.flac").write_bytes(b"")
    soundfile.write("empty.wav", np.zeros(0, dtype=np.float32), 8000)
    soundfile.write("nan.wav", np.full(100, np.nan, dtype=np.float32), 8000, subtype="FLOAT")
    bad = ["text.wav", "nothing.flac", "empty.wav", "nan.wav", "missing.ogg", "name\u00fc\udcff.flac"]
    done = cli("tokenize", *bad[:-1], good, "--model", tiny_model)
    assert done.code == 1
    assert [line["path"] for line in lines(done.err)] == bad[:-1]
    assert [line["path"] for line in lines(done.out)] == [good]


def test_more_files_than_fit_at_once_stay_in_order(cli, expected, tiny_model, monkeypatch):
    """Four files are held at a time, and there are failures on both sides of a border."""
    monkeypatch.setattr(ahead, "FILES_AHEAD", 4)
    monkeypatch.setattr(batch, "FILES_AT_ONCE", 4)
    paths = sorted(expected)[:14]
    paths[3], paths[4] = "missing_a.flac", "missing_b.flac"
    done = cli("tokenize", "-", "--model", tiny_model, stdin="\n".join(paths))
    assert done.code == 1
    good = [p for p in paths if p in expected]
    assert [(line["path"], line["tokens"]) for line in lines(done.out)] == [(p, expected[p]) for p in good]
    assert [line["path"] for line in lines(done.err)] == ["missing_a.flac", "missing_b.flac"]


def test_any_rate_and_channels(cli, folder, expected, tiny_model):
    path = sorted(expected)[0]
    wave, rate = soundfile.read(path, dtype="float32")
    soundfile.write("stereo.wav", np.stack([wave, wave], axis=1), rate)
    soundfile.write("high.wav", decode.resample(wave, rate, 44100), 44100, subtype="FLOAT")
    stereo, high = lines(cli("tokenize", "stereo.wav", "high.wav", "--model", tiny_model).out)
    assert stereo["tokens"] == expected[path]
    assert high["duration_s"] == pytest.approx(stereo["duration_s"], abs=2e-3)


def test_names_keep_their_letters(cli, folder, expected, tiny_model):
    shutil.copy(sorted(expected)[0], "größe ñ.flac")
    done = cli("tokenize", "größe ñ.flac", "--model", tiny_model)
    assert '"path": "größe ñ.flac"' in done.out


def test_a_model_in_the_registry(cli, expected, tiny_model, registry_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry_store)
    path = sorted(expected)[0]
    done = cli("tokenize", path, "--model", "models:/tiny@champion")
    assert done.code == 0
    (line,) = lines(done.out)
    assert (line["tokens"], line["model"]) == (expected[path], "models:/tiny/1")


def test_what_is_doubtful_is_a_json_line_on_stderr_and_each_file_is_tokenized_once(cli, folder, expected, tiny_model):
    good = sorted(expected)[0]
    shutil.copy(good, "good.flac")
    rng = np.random.default_rng(0)
    soundfile.write("silent.wav", np.zeros(8000), 8000)
    soundfile.write("scrap.wav", rng.uniform(-0.3, 0.3, 48), 8000)
    Path("other.wv").write_text("a format that is not read")
    Path("loop").symlink_to(".")
    done = cli("tokenize", ".", "./good.flac", "loop/good.flac", "--model", tiny_model)
    assert done.code == 0
    rows = lines(done.out)
    assert [row["path"] for row in rows] == ["good.flac", "scrap.wav", "silent.wav"]
    assert rows[0]["tokens"] == expected[good]
    warned = lines(done.err)
    assert all(row["warning"] for row in warned)
    about = {row["path"]: row["warning"] for row in warned if "path" in row}
    assert about["silent.wav"] == "silent.wav is silent (-200 dBFS)"
    assert about["scrap.wav"] == "scrap.wav has only 6 ms of sound"
    assert "is taken once" in about["./good.flac"]
    assert any("1 file with sound in . not read (1 .wv)" in row["warning"] for row in warned)
