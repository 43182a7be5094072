"""The documentation site builds, needs nothing from elsewhere, and quotes sentences that the program says."""

import ast
import importlib.util
import itertools
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.test_readme import COMMANDS, commands
from wav2tok.config.parameters import load

PROJECT = Path(__file__).resolve().parents[1]
PAGES = PROJECT / "docs" / "pages"
ANY = "…"


def _words(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ANY


def said() -> list[str]:
    """Every text in the code, with `ANY` in the place of its values."""
    texts = []
    for path in [*(PROJECT / "wav2tok").rglob("*.py"), *(PROJECT / "flows").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts.append("".join(_words(p) for p in parts))
    return [text for text in texts if text.strip(ANY)]


def test_quoted_errors_are_sentences_of_the_program() -> None:
    texts = said()
    page = (PAGES / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^### `(.*)`$", page, flags=re.M)
    assert len(quoted) > 20
    for sentence in quoted:
        parts = [re.escape(part.strip()) for part in re.split(f" ?{ANY} ?", sentence) if part.strip(" ;.()")]
        pattern = re.compile(".*".join(parts), flags=re.S)
        assert parts, sentence
        assert any(pattern.search(text) for text in texts), sentence


@pytest.mark.parametrize("page", sorted(PAGES.rglob("*.md")), ids=lambda path: path.relative_to(PAGES).as_posix())
def test_commands_are_real(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for words in commands(text.replace("```sh", "```")):
        if words[0] != "wav2tok":
            continue
        words = words[: words.index(">")] if ">" in words else words
        COMMANDS[words[1]].make_context(words[1], list(words[2:]), resilient_parsing=False)
        for before, word in itertools.pairwise(words):
            if before == "--set":
                load(PROJECT / "params.yaml", [word] if "=" in word else [])
    for verb in re.findall(r"`wav2tok (\w+)", text):
        assert verb in COMMANDS
    targets = set(re.findall(r"^([a-z-]+):(?!=)", (PROJECT / "Makefile").read_text(), flags=re.M))
    for line in re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.M):
        assert line in targets, shlex.quote(line)


class _Page(HTMLParser):
    """What a page loads, what it links to, and the places in it that links can name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.places |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(found.get("href", ""))
        elif "src" in found:
            self.loaded.append(found["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("mkdocs", "material", "mkdocstrings"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f'{name} is not installed: pip install "wav2tok[docs]"')
    out = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", "docs/mkdocs.yml", "-d", str(out)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        for address in _Page(page.read_text(encoding="utf-8")).loaded:
            assert urlsplit(address).scheme in ("", "data"), (page, address)
            assert not address.startswith("//"), (page, address)
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\(\s*['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")), style


@pytest.mark.slow
def test_every_link_within_the_site_leads_to_a_place(site: Path) -> None:
    pages = {page.resolve(): _Page(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")}
    for page, content in pages.items():
        if page.name == "404.html":
            continue  # its links are from the root of a server
        for address in [*content.links, *content.loaded]:
            link = urlsplit(address)
            if link.scheme:
                continue
            target = (page.parent / unquote(link.path)).resolve() if link.path else page
            assert target.is_file(), (page, address)
            if target in pages and link.fragment:
                assert unquote(link.fragment) in pages[target].places, (page, address)


@pytest.mark.slow
def test_verbs_and_parameters_are_on_their_pages(site: Path) -> None:
    verbs = _Page((site / "reference" / "command-line.html").read_text(encoding="utf-8")).places
    assert set(COMMANDS) <= verbs
    parameters = (site / "reference" / "parameters.html").read_text(encoding="utf-8")
    for key in ("train.clip_seconds", "gate.min_mrr", "sequence_temperature", "seed"):
        assert f"<code>{key}</code>" in parameters
    assert (site / "search" / "search_index.json").is_file()


def test_every_page_is_in_the_menu() -> None:
    menu = (PROJECT / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES.rglob("*.md"):
        assert f": {page.relative_to(PAGES).as_posix()}\n" in menu, page
