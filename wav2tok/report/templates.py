"""Jinja templates that lie next to the code: HTML and SVG are escaped, Markdown is not."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def templates(package: str) -> Environment:
    """The templates in the folder of a package. A name that a template does not get is an error."""
    return Environment(
        loader=PackageLoader(package, ""),
        autoescape=select_autoescape(["html", "svg"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
