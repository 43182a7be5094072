"""The page about the published command line is true."""

import importlib
import re
from operator import attrgetter

import pytest

from tests.published.lines import CASE_1, CASE_2, NAMES
from wav2tok import cli as command_line
from wav2tok.config.parameters import PROFILES
from wav2tok.config.schema import Config
from wav2tok.published.line import as_yaml
from wav2tok.published.options import COMMAND, OPTIONS, RECIPE

pytestmark = pytest.mark.usefixtures("here")

PAGE = PROFILES / "published.md"


def default_here(key: str, config: Config) -> str:
    """Our own default; of a key of the published recipe, that of the recipe that trains by default."""
    if key in COMMAND:
        return COMMAND[key]
    if key.startswith(RECIPE):
        return as_yaml(getattr(config.recipe, key.removeprefix(RECIPE)))
    return as_yaml(attrgetter(key)(config))


def test_the_page_lists_every_option_with_what_it_becomes_and_both_defaults() -> None:
    page = PAGE.read_text(encoding="utf-8")
    expected = [
        [
            " or ".join(f"`{name}`" for name in (option.name, *option.aliases)),
            ", ".join(f"`{key}`" for key in option.ours) or "nothing",
            "none" if option.default is None else str(option.default),
            ", ".join(default_here(key, Config()) for key in option.ours) or "none",
        ]
        for option in OPTIONS
    ]
    rows = [line for line in page.splitlines() if line.startswith("| `") and "`wav2tok." not in line]
    assert all(row.count("|") == 6 for row in rows), "a remark holds a bar"
    assert [[cell.strip() for cell in row.split("|")[1:5]] for row in rows] == expected
    assert len(OPTIONS) == len(NAMES)
    assert CASE_1 in page
    assert CASE_2 in page


def test_defaults_of_the_command_line_are_ours() -> None:
    from typer.main import get_command

    train = get_command(command_line.app).commands["train"]  # type: ignore[attr-defined]
    defaults = {parameter.opts[0]: str(parameter.default) for parameter in train.params}
    assert {name: defaults[name] for name in COMMAND} == COMMAND


def mentioned() -> list[str]:
    """Every name of ours on the page, such as ``wav2tok.model.wav2tok.Wav2Tok.embed``."""
    return sorted(set(re.findall(r"`(wav2tok\.[\w.]+)`", PAGE.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("name", mentioned())
def test_a_name_on_the_page_exists_and_is_documented(name: str) -> None:
    *module, last = name.split(".")
    try:
        named = getattr(importlib.import_module(".".join(module)), last)
    except ModuleNotFoundError:  # a method
        named = getattr(getattr(importlib.import_module(".".join(module[:-1])), module[-1]), last)
    assert named.__doc__


def test_the_page_names_every_published_function() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in ("forward", "cluster", "get_feats", "get_embs", "initialize_classifier", "ctc_loss_cal",
                 "gen_prototype", "matching_loss", "inter_dict_weights", "save_weights", "load_weights",
                 "Trainer"):  # fmt: skip
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` | `wav2tok.")]
        assert "wav2tok." in row
