"""README and docs: every command would be accepted, every file and link exists, every import can be made, and the
methods page states the settings that are in force."""

import ast
import importlib
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from jaxglass.config import SWEPT_TASKS, Config
from validation import doc_tables
from validation.__main__ import parsed
from validation.studies import config_of

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("jaxglass", "python", "pip", "pytest")
PLACEHOLDERS = re.compile(r"^(\.\.\.|KEY=.*|FILE|RUN)$")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def fenced(page: Path, languages: tuple[str, ...]) -> list[str]:
    """The blocks of these languages."""
    return [body for language, body in FENCE.findall(page.read_text()) if language in languages]


def command_lines(page: Path) -> Iterator[str]:
    """Lines of shell: of fenced and indented blocks, and in back ticks at the start of a row of a table."""
    for block in fenced(page, ("sh", "")):
        yield from block.replace("\\\n", " ").splitlines()
    rest = FENCE.sub("", page.read_text())
    yield from re.findall(r"^    (.*)$", rest, re.M)
    yield from re.findall(r"^\| `([^`]*)` \|", rest, re.M)


def commands() -> list[tuple[str, tuple[str, ...]]]:
    """Every command of the pages, without placeholders and comments, with the page it stands on."""
    found = {}
    for page in PAGES:
        for line in command_lines(page):
            if line.split(maxsplit=1)[:1] and line.split()[0] in PROGRAMS:
                for part in line.split("&&"):
                    words = [w for w in shlex.split(part, comments=True) if not PLACEHOLDERS.match(w)]
                    found[tuple(words)] = page.name
    return [(page, words) for words, page in found.items()]


COMMANDS = commands()


def test_there_are_commands():
    assert len(COMMANDS) > 50
    assert {words[0] for _, words in COMMANDS} == set(PROGRAMS)


@pytest.mark.parametrize("words", [words for _, words in COMMANDS], ids=[f"{p}: {' '.join(w)}" for p, w in COMMANDS])
def test_command_would_be_accepted(words):
    ACCEPTED[words[0]](list(words[1:]))


def jaxglass_accepts(words: list[str]) -> None:
    """Every point of a sweep, or the one call: composed and checked as by the command."""
    sweep = bool(words) and words[0] == "-m"
    if words == ["--help"]:
        return
    choices = []
    for override in OverridesParser.create().parse_overrides(words[sweep:]):
        if override.is_sweep_override():
            assert sweep, f"{override.input_line}: a list of values needs -m"
            choices.append([f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()])
        else:
            choices.append([override.input_line or ""])
    for overrides in product(*choices):
        config = config_of(overrides)
        assert not sweep or config.get("task") in SWEPT_TASKS


def python_accepts(words: list[str]) -> None:
    """The module exists and says so itself; arguments of the validation suite are parsed."""
    assert words[0] == "-m"
    module, arguments = words[1], words[2:]
    if module == "validation":
        parsed(arguments)
    spec = importlib.util.find_spec(module)
    assert spec is not None
    source = Path(spec.origin or "")
    source = source.with_name("__main__.py") if source.name == "__init__.py" else source
    assert f"python -m {module}" in (ast.get_docstring(ast.parse(source.read_text())) or "")


def pip_accepts(words: list[str]) -> None:
    """The extras are those of the package."""
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert words[0] == "install"
    asked = {extra for word in words for found in re.findall(r"\[(.*)\]", word) for extra in found.split(",")}
    assert asked <= extras


ACCEPTED = {"jaxglass": jaxglass_accepts, "python": python_accepts, "pip": pip_accepts, "pytest": lambda _: None}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_files_exist(page):
    text = page.read_text()
    links = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    missing = [target for target in links if target and not (page.parent / target).exists()]
    files = re.findall(r"`((?:jaxglass|conf|validation|tests)/[^`\s]*)`", text)
    missing += [name for file in files for name in braces(file) if not list(ROOT.glob(name.rstrip("/")))]
    assert missing == []


def braces(name: str) -> Iterator[str]:
    """a/{b,c}.py as a/b.py and a/c.py."""
    found = re.match(r"(.*?)\{([^}]*)\}(.*)", name)
    if not found:
        yield name
        return
    for middle in found[2].split(","):
        yield from braces(found[1] + middle + found[3])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_imports_of_examples_can_be_made(page):
    for block in fenced(page, ("python",)):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert [a.name for a in node.names if not hasattr(module, a.name)] == []


@cache
def paper() -> Config:
    return config_of(["scale=paper"])


STATED = re.findall(r"`([a-z_]+(?:\.[\w-]+)+)=([^`]+)`", (ROOT / "docs" / "methods.md").read_text())


def test_the_methods_page_states_settings():
    assert len(STATED) > 45


@pytest.mark.parametrize(("key", "value"), STATED, ids=[key for key, _ in STATED])
def test_the_methods_page_is_in_force(key, value):
    set_to = paper().get(key)
    assert set_to == (float(value) if isinstance(set_to, float) else yaml.safe_load(value))


@pytest.mark.parametrize("name", doc_tables.TABLES)
def test_tables_are_those_of_the_kept_results(name):
    """`python -m validation.doc_tables` writes them."""
    assert doc_tables.filled(name) == (doc_tables.DOCS / name).read_text()
