"""params: the parameters that a verb would use, and the schema of their file."""

from typing import Annotated

import typer

from wav2tok.cli.options import Params, Sets
from wav2tok.extras import need


def params(
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of params.yaml instead.")] = False,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Print all parameters as YAML: the file, its profile, --set, and defaults for the rest.

    The output works as a parameter file. To change values of a profile in it, set its profile to null.
    """
    need("train", "pydantic", "yaml")
    import yaml

    from wav2tok.config import parameters
    from wav2tok.config.schema import json_schema

    if schema:
        typer.echo(json_schema(), nl=False)
    else:
        values = parameters.to_dict(parameters.load(params, sets or ()))
        typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), nl=False)
