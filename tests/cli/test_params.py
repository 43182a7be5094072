"""``wav2tok params``: the parameters that a verb would use, and the schema of their file."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from wav2tok.config.parameters import load, to_dict

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def schema(cli) -> dict[str, Any]:
    done = cli("params", "--schema")
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def test_the_parameters_are_printed_as_yaml(cli, folder):
    (folder / "params.yaml").write_text("seed: 5\nprofile: humming\n")
    done = cli("params", "--set", "train.epochs=3", "--set", "recipes.mine.alpha=0.5")
    assert (done.code, done.err) == (0, "")
    values = yaml.safe_load(done.out)
    assert values == to_dict(load("params.yaml", ["train.epochs=3", "recipes.mine.alpha=0.5"]))
    assert list(values) == list(to_dict(load()))


def test_what_is_printed_is_a_parameter_file(cli, folder):
    done = cli("params", "--set", "train.epochs=3", "--set", "evaluate.tempos=[0.5]", "--set", "augment.noise_db=null")
    (folder / "printed.yaml").write_text(done.out)
    assert cli("params", "--params", "printed.yaml").out == done.out


def test_a_wrong_parameter_is_refused(cli):
    assert cli("params", "--set", "train.patience=0").complaint == "train.patience is 0; it must be at least 1."
    assert cli("params", "--set", "seed").complaint == "--set: 'seed' is not KEY=VALUE, such as train.epochs=3."
    assert cli("params", "--params", "absent.yaml").complaint.startswith("--params: absent.yaml does not exist")


def test_the_committed_schema_is_that_of_the_code(cli):
    committed = (PROJECT / "wav2tok" / "config" / "schema.json").read_text(encoding="utf-8")
    assert committed == cli("params", "--schema").out, "wav2tok params --schema > wav2tok/config/schema.json"
    first = (PROJECT / "params.yaml").read_text(encoding="utf-8").partition("\n")[0]
    assert first == "# yaml-language-server: $schema=wav2tok/config/schema.json"


def test_the_schema_describes_every_parameter(schema):
    sections = [schema, *schema["$defs"].values()]
    assert all(section["additionalProperties"] is False for section in sections)
    assert all(section["title"] and section["description"] for section in sections)
    for section in schema["$defs"].values():
        assert section["properties"]
        for name, parameter in section["properties"].items():
            assert parameter["description"], name
            assert parameter["title"], name
            assert "default" in parameter, name
    epochs = schema["$defs"]["Train"]["properties"]["epochs"]
    assert (epochs["type"], epochs["minimum"], epochs["default"]) == ("integer", 0, 12)
    share = schema["$defs"]["Augment"]["properties"]["share"]
    assert (share["type"], share["minimum"], share["maximum"]) == ("number", 0, 1)


def test_the_schema_accepts_the_committed_parameters_and_profiles(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    for file in (PROJECT / "params.yaml", *(PROJECT / "wav2tok" / "config" / "profiles").glob("*.yaml")):
        jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), schema)
    jsonschema.validate(json.loads(json.dumps(to_dict(load()))), schema)


@pytest.mark.parametrize(
    "values",
    [
        {"speed": 1},
        {"train": {"epoch": 1}},
        {"train": {"epochs": -1}},
        {"train": {"epochs": "many"}},
        {"train": {"name": "../elsewhere"}},
        {"features": {"kind": "mel"}},
        {"features": {"n_fft": 1023}},
        {"encoder": {"dropout": 1}},
        {"split": {"test_share": 1}},
        {"augment": {"noise_db": -1}},
        {"recipes": {"mine": {"temperature": 0}}},
        {"evaluate": {"tempos": 0.7}},
        {"evaluate": {"tempos": [0]}},
    ],
)
def test_the_schema_refuses_wrong_values(schema, values):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, schema)
