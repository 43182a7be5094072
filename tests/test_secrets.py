"""Secrets are hidden wherever wav2tok prints, and everything else stays."""

import logging

import pytest

from wav2tok.cli import console
from wav2tok.errors import UserError, reason
from wav2tok.progress import log
from wav2tok.secrets import without_secrets

PLANTED = "hunter2-planted"


@pytest.mark.parametrize(
    "text",
    [
        f"http://someone:{PLANTED}@host:5000/path",
        f"postgresql+psycopg://someone:{PLANTED}@host/db?x=1",
        f"cannot reach 's3://{PLANTED}@bucket/key'",
        f"https://account.blob/x?sv=1&sig={PLANTED}&x=2",
        f"postgresql://host/db?password={PLANTED}",
    ],
)
@pytest.mark.promise("A password in an address", "Messages show the address without it.")
def test_secrets_in_addresses(text: str) -> None:
    assert PLANTED not in without_secrets(text)
    assert PLANTED not in str(UserError(text))
    assert PLANTED not in reason(ValueError(text))


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PREFECT_API_KEY", "AWS_SECRET_ACCESS_KEY"]
)
@pytest.mark.promise("A secret in the environment", "Messages show *** instead.")
def test_secrets_of_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, PLANTED)
    assert without_secrets(f"sent {PLANTED} there") == "sent *** there"
    console._Lines().emit(logging.LogRecord(log.name, logging.INFO, "", 0, f"with {PLANTED}", None, None))
    assert capsys.readouterr().out == "with ***\n"


def test_what_is_no_secret_stays() -> None:
    for text in ("models:/wav2tok@champion", "a@b", "http://host:5000/#/experiments/1", "codebook.num_tokens=256"):
        assert without_secrets(text) == text
