"""Names of runs say what differs."""

from wav2tok.config import parameters
from wav2tok.config.parameters import flatten, to_dict
from wav2tok.tracking.names import run_name


def values(*overrides: str) -> dict[str, object]:
    return flatten(to_dict(parameters.load(None, overrides)))


def test_a_name_has_recipe_profile_changes_and_experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = values()
    assert run_name(base, base) == "staged"
    changed = values("train.epochs=2", "codebook.num_tokens=32", "profile=humming", "evaluate.tempos=[0.8, 1.2]")
    over = values("profile=humming")
    assert run_name(changed, over, "waxy-seal") == "staged humming num_tokens=32 epochs=2 tempos=0.8,1.2 (waxy-seal)"


def test_a_short_name_that_two_parameters_share_is_written_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_name(values("encoder.kind=transformer"), values()) == "staged encoder.kind=transformer"


def test_many_changes_are_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = [f"features.{key}" for key in ("n_fft=512", "hop=128", "n_mels=32", "n_mfcc=12")]
    name = run_name(values("seed=3", "encoder.hidden=64", "encoder.dim=32", *changes), values())
    assert name == "staged seed=3 n_fft=512 hop=128 n_mels=32 n_mfcc=12 +2"
