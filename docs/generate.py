"""Pages of the site that are made of what the program is, when mkdocs builds: verbs, parameters, profiles, promises,
pages of other folders, the notebook. mkdocs loads this file as a hook (`mkdocs.yml`)."""

import ast
import base64
import html
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import typer
import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command

from wav2tok import cli
from wav2tok.config.parameters import flatten, to_dict
from wav2tok.config.schema import PUBLISHED, STAGED, VALIDATOR, Config

PROJECT = Path(__file__).resolve().parents[1]
PROFILES = PROJECT / "wav2tok" / "config" / "profiles"
COPIES = {
    "reference/published.md": PROFILES / "published.md",
    "explanation/recipe.md": PROJECT / "benchmarks" / "recipe.md",
    "explanation/results.md": PROJECT / "benchmarks" / "results.md",
    "explanation/sums.md": PROJECT / "benchmarks" / "sums.md",
    "explanation/search.md": PROJECT / "benchmarks" / "search.md",
    "explanation/cost.png": PROJECT / "benchmarks" / "cost.png",
    "explanation/architecture.md": PROJECT / "docs" / "architecture.md",
    "explanation/layers.svg": PROJECT / "docs" / "layers.svg",
    "assets/retrieval.png": PROJECT / "benchmarks" / "retrieval.png",
}
"""Pages and pictures that are kept elsewhere, by their place in the site."""
WIDE = ("reference/published.md", "explanation/results.md")
"""Pages whose tables take the room of the table of contents."""
WORDS = {"path": "path", "str": "text", "int range": "number", "float range": "number", "boolean": ""}
"""What the values of an option are called, by what Typer calls them."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those of the folder."""
    pages: dict[str, str | bytes] = {place: path.read_bytes() for place, path in COPIES.items()}
    for place in WIDE:
        pages[place] = b"---\nhide: [toc]\n---\n\n" + COPIES[place].read_bytes()
    pages |= {
        "reference/command-line.md": command_line(),
        "reference/parameters.md": parameters(),
        "reference/profiles.md": profiles(),
        "reliability.md": reliability(),
        "quickstart.md": notebook(json.loads((PROJECT / "examples" / "quickstart.ipynb").read_text(encoding="utf-8"))),
    }
    for place, content in pages.items():
        files.append(File.generated(config, place, content=content))
    return files


def cell(text: str) -> str:
    """Text as a cell of a table."""
    return html.escape(text, quote=False).replace("|", "&#124;").replace("\n", " ").replace("*", "&#42;")


def table(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n"


def code(value: object) -> str:
    return f"`{value}`".replace("|", "&#124;")


def command_line() -> str:
    """Every verb with its arguments and options, as Typer knows them."""
    root = get_command(cli.app)
    text = (
        "# Command line\n\nEach verb prints this with `--help`. An error that you can fix is one sentence on standard "
    )
    text += "error, with exit code 2.\n\n"
    with typer.Context(root, info_name="wav2tok") as context:
        verbs: dict[str, Any] = {}
        for name, verb in root.commands.items():  # type: ignore[attr-defined]
            verbs |= {name: verb} | {f"{name} {part}": own for part, own in getattr(verb, "commands", {}).items()}
        for name, verb in verbs.items():
            with typer.Context(verb, info_name=name, parent=context) as inner:
                params = verb.get_params(inner)
            usage = " ".join(["wav2tok", name, *filter(None, map(_usage, params)), "[OPTIONS]"])
            text += f"## {name}\n\n{cell((verb.help or '').strip())}\n\n```text\n{usage}\n```\n\n"
            rows = [_option(param) for param in params]
            text += table(("option", "value", "default", "meaning"), rows)
    return text


def _usage(param: Any) -> str:
    """An argument in the usage line; nothing for an option."""
    if param.param_type_name != "argument":
        return ""
    name = param.name.upper() + ("..." if param.nargs == -1 else "")
    return name if param.required else f"[{name}]"


def _option(param: Any) -> tuple[str, ...]:
    """A row for an argument or option."""
    argument, flag = param.param_type_name == "argument", getattr(param, "is_flag", False)
    names = ", ".join(code(name.upper() if argument else name) for name in param.opts + param.secondary_opts)
    if param.type.name == "choice":
        values = " or ".join(map(code, param.type.choices))
    else:
        word = code(param.metavar) if param.metavar else WORDS[param.type.name]
        values = word if argument or not param.multiple else f"{word}, may be repeated"
    default = param.default.value if isinstance(param.default, Enum) else param.default
    shown = "required" if param.required else "" if default is None or (flag and not default) else code(default)
    return names, values, shown, cell(param.help or "")


def parameters() -> str:
    """Every parameter with its type, bounds, default and meaning, from the schema that reads ``params.yaml``."""
    schema = VALIDATOR.json_schema()
    defaults = to_dict(Config())
    parts = schema["$defs"]
    text = "# Parameters\n\n`params.yaml` holds every number that governs a result, set for the melodies of the "
    text += "sample corpus; the defaults are those of the profile `general`. `--set KEY=VALUE` overrides one, "
    text += (
        "`wav2tok params` prints them all, and `wav2tok params --schema` prints the JSON schema that this page is made "
    )
    text += "of. A name, type or value that the schema does not allow is refused.\n\n"
    tops, sections = [], []
    for name, about in schema["properties"].items():
        if "$ref" in about:
            sections.append(name)
        elif name != "recipes":
            tops.append(_parameter(name, about, code(_shown(defaults[name]))))
    heading = ("parameter", "values", "default", "meaning")
    text += table(heading, tops)
    for name in sections:
        part = parts[schema["properties"][name]["$ref"].rpartition("/")[2]]
        rows = [_parameter(f"{name}.{k}", v, code(_shown(defaults[name][k]))) for k, v in part["properties"].items()]
        text += f"## {name}\n\n{cell(part['description'])}\n\n{table(heading, rows)}"
    text += f"## recipes\n\n{cell(parts['Recipe']['description'])} `train.recipe` names the one in use; its parameters "
    text += "are `recipes.NAME.KEY`.\n\n"
    values = [VALIDATOR.dump_python(Config(recipes={"staged": STAGED, "published": PUBLISHED}))["recipes"]]
    rows = [
        _parameter(k, v, *(code(_shown(values[0][recipe][k])) for recipe in ("staged", "published")))
        for k, v in parts["Recipe"]["properties"].items()
    ]
    return text + table(("parameter", "values", "staged", "published", "meaning"), rows)


def _parameter(name: str, about: Mapping[str, Any], *defaults: str) -> tuple[str, ...]:
    return code(name), _values(about), *defaults, cell(about.get("description", ""))


def _shown(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value).strip('"')


def _values(about: Mapping[str, Any]) -> str:
    """The type and bounds of a value in words."""
    if "anyOf" in about:
        return " or ".join("`null`" if one.get("type") == "null" else _values(one) for one in about["anyOf"])
    if "enum" in about:
        return ", ".join(code(value) for value in about["enum"])
    if about["type"] == "array":
        return f"list of {_values(about['items'])}s"
    words = {"integer": "integer", "number": "number", "string": "text", "boolean": "`true` or `false`"}
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {about[bound]:g}" for bound, sign in signs.items() if bound in about]
    if about.get("multipleOf") == 2:
        bounds.append("even")
    return ", ".join([words[about["type"]], *bounds])


def profiles() -> str:
    """What each profile sets, next to the defaults."""
    text = (
        "# Profiles\n\n`--set profile=NAME`, or `profile: NAME` in `params.yaml`, sets these values over those of the "
    )
    text += "file; `--set` overrides both.\n\n"
    for path in sorted(PROFILES.glob("*.yaml")):
        source = path.read_text(encoding="utf-8")
        about = " ".join(line.lstrip("# ") for line in source.splitlines() if line.startswith("#"))
        about = about.replace("(README: why they are not the default)", "").replace("published.md", "`published.md`")
        rows = [
            (code(key), code(_shown(value)), code(_shown(_of(to_dict(Config()), key))))
            for key, value in flatten(yaml.safe_load(source)).items()
        ]
        text += f"## {path.stem}\n\n{about}\n\n{table(('parameter', path.stem, 'default'), rows)}"
    return text


def _of(values: Any, key: str) -> Any:
    for name in key.split("."):
        values = values[name]
    return values


def reliability() -> str:
    """Every bad input and fault for which a test marked ``promise`` says what happens, and that test."""
    text = (
        "# Faults and what is promised\n\nWhat wav2tok does with input that is bad and when something fails. Each line "
        "is checked by the test that it names; `make fuzz` tries thousands of damaged files.\n\n"
    )
    rows = []
    for path in sorted((PROJECT / "tests").rglob("test_*.py")):
        for test in ast.parse(path.read_text(encoding="utf-8")).body:
            for mark in test.decorator_list if isinstance(test, ast.FunctionDef) else ():
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.promise":
                    fault, promise = (cell(ast.literal_eval(word)) for word in mark.args)
                    rows.append((fault, promise, code(f"{path.relative_to(PROJECT).as_posix()}::{test.name}")))
    return text + table(("what happens", "what is promised", "the test"), sorted(rows))


def notebook(cells: Mapping[str, Any]) -> str:
    """The notebook with its outputs as a page."""
    parts = []
    for one in cells["cells"]:
        source = "".join(one["source"])
        if one["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in one["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                picture = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![output](data:image/png;base64,{base64.b64encode(picture).decode()})")
            else:
                shown = "".join(output.get("text") or data.get("text/plain", ""))
                parts.append(f"```text\n{shown.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"
