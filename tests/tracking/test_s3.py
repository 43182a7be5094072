"""An MLflow server whose files are in a bucket: its clients need no key of the bucket."""

import mlflow
import numpy as np
import pytest

from tests import registrations, servers
from wav2tok.release.pull import pull
from wav2tok.stages.export import export
from wav2tok.tokenizer.tokenizer import Tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.services]


def test_a_model_goes_to_the_bucket_and_comes_back(tiny_model, tmp_path, monkeypatch):
    with (
        servers.s3("models") as buckets,
        servers.mlflow_server(
            f"sqlite:///{tmp_path}/mlflow.db",
            "s3://models/mlflow",
            buckets.environment | {"MLFLOW_S3_ENDPOINT_URL": buckets.uri},
        ) as tracking,
    ):
        monkeypatch.chdir(tmp_path)
        for name in buckets.environment:
            monkeypatch.delenv(name, raising=False)
        for name, value in tracking.environment.items():
            monkeypatch.setenv(name, value)
        mlflow.set_tracking_uri(tracking.uri)
        try:
            export(tiny_model, None, tmp_path / "export")
            mlflow.set_experiment("bucket")
            registrations.register(tmp_path / "export", "tiny")
            pull("models:/tiny@champion", tmp_path / "pulled")
        finally:
            mlflow.set_tracking_uri(None)
        import boto3

        client = boto3.client(
            "s3", endpoint_url=buckets.uri, aws_access_key_id="tests", aws_secret_access_key="tests",
            region_name="us-east-1",
        )  # fmt: skip
        kept = [one["Key"] for one in client.list_objects_v2(Bucket="models")["Contents"]]
        assert any(key.startswith("mlflow/") and key.endswith(".onnx") for key in kept), kept
    wave = np.sin(np.arange(16000) / 5).astype(np.float32)
    made, pulled = (Tokenizer.from_pretrained(tmp_path / name, "cpu") for name in ("export", "pulled"))
    assert pulled.identity == made.identity
    np.testing.assert_array_equal(pulled.encode([wave], 8000)[0], made.encode([wave], 8000)[0])
