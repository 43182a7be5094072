"""The stages of the real flow on a real Ray of this machine."""

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import process, where
from flows.retrain import retrain
from tests.helpers import free_port
from wav2tok.errors import UserError

pytest.importorskip("prefect_ray", reason='prefect-ray is not installed: pip install "wav2tok[cluster]"')
pytestmark = [pytest.mark.slow, pytest.mark.services]


def use_ray(project, address):
    path = project.root / "params.yaml"
    values = yaml.safe_load(path.read_text())
    values["schedule"]["ray"] = address
    path.write_text(yaml.safe_dump(values))


def test_the_stages_run_on_ray_and_a_failure_is_the_stage_s_sentence(server, finished, tiny):
    use_ray(tiny, "local")
    tiny.turn("evaluate", "slow")
    state = retrain(tiny.root, return_state=True)
    assert state.is_completed(), state.message
    assert tiny.ran() == ["evaluate"]
    assert state.result() == finished.state.result()
    tiny.turn("export", "user")
    state = retrain(tiny.root, return_state=True)
    assert (state.is_failed(), tiny.ran()) == (True, ["export"])  # no second attempt at what a person must fix
    assert state.message == "export failed: data/a.flac cannot be read; replace it."
    assert isinstance(state.result(raise_on_failure=False), process.StageRefused)


def test_an_absent_cluster_is_one_sentence_before_any_stage(server, tiny):
    use_ray(tiny, f"127.0.0.1:{free_port()}")
    tiny.turn("validate", "slow")
    state = retrain(tiny.root, return_state=True)
    assert state.is_failed()
    assert "no Ray cluster answers at 127.0.0.1:" in state.message
    assert tiny.ran() == []


def test_without_a_prefect_server_there_is_nowhere_to_report():
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(UserError, match="PREFECT_API_URL"),
        where.running("local"),
    ):
        pass
