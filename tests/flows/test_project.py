"""Names and times of the deployments, and what `prefect.yaml` says about them."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows import project
from wav2tok.errors import UserError

PROJECT = Path(__file__).resolve().parents[2]


def test_two_clones_with_folders_of_one_name_differ(tmp_path):
    names = set()
    for parent in ("a", "b"):
        (tmp_path / parent / "clone").mkdir(parents=True)
        names.add(project.name(tmp_path / parent / "clone"))
    assert len(names) == 2
    assert all(name.startswith("clone-") for name in names)


def test_a_clone_keeps_its_name_through_a_link_and_has_one_that_prefect_takes(tmp_path):
    odd = tmp_path / "my project & more/%"
    odd.mkdir(parents=True)
    (tmp_path / "link").symlink_to(odd)
    assert project.name(tmp_path / "link") == project.name(odd)
    assert not set("/%&<> ") & set(project.name(odd))


def test_times_are_those_of_the_parameters(tmp_path):
    (tmp_path / "params.yaml").write_text(
        "schedule: {cron: '1 2 * * *', evaluate_cron: '3 4 * * *', ingest_cron: '5 6 * * *'}\n"
    )
    facts = project.described(str(tmp_path))
    assert (facts["retrain"], facts["evaluate"], facts["ingest"]) == ("1 2 * * *", "3 4 * * *", "5 6 * * *")
    assert (facts["name"], facts["root"]) == (project.name(tmp_path), str(tmp_path))


@pytest.mark.parametrize("key", ["cron", "evaluate_cron", "ingest_cron"])
def test_a_time_that_never_comes_is_refused_by_its_name(key, tmp_path):
    (tmp_path / "params.yaml").write_text(f"schedule: {{{key}: '0 3 31 2 *'}}\n")
    with pytest.raises(UserError, match=rf"^schedule\.{key} is '0 3 31 2 \*', which never occurs"):
        project.described(str(tmp_path))


def test_the_deployments_are_of_flows_that_exist_and_run_one_at_a_time():
    text = (PROJECT / "prefect.yaml").read_text(encoding="utf-8")
    assert 'cron: "0' not in text  # one place says when: params.yaml
    found = {}
    for deployment in yaml.safe_load(text)["deployments"]:
        path, function = deployment["entrypoint"].split(":")
        flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), function)
        found[flow.name] = deployment
        assert deployment["name"] == "{{ project.name }}"
        assert deployment["work_pool"]["name"] == project.POOL  # Prefect looks for it before it fills in anything
    assert set(found) == {"retrain", "evaluate-champion", "ingest", "promote"}
    assert {name for name, deployment in found.items() if "schedules" not in deployment} == {"promote"}
    limits = {name: deployment.get("concurrency_limit") for name, deployment in found.items()}
    skip = {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert limits["evaluate-champion"] == limits["ingest"] == skip
    assert limits["promote"] == {"limit": 1, "collision_strategy": "ENQUEUE"}  # an answer is not lost
    assert limits["retrain"] is None  # the lock of the project, which lets a run with an answer wait


def test_services_refuse_what_they_did_not_make(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "flows.services", "--folder", str(tmp_path), "start"],
        cwd=PROJECT, text=True, capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"services: {tmp_path} is not empty; name another folder or remove it yourself.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
