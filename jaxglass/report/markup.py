"""Pieces of the page: sections, tables that scroll inside their own container, inlined images."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from jaxglass.report.wording import without_folders

STYLE = Path(__file__).with_name("report.css")


def page(title: str, result: str, body: str) -> str:
    """The whole page: `title` and the `result` in one sentence are text, `body` is markup already."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        f'<h1>{escape(title)}</h1>\n<p class="result">{escape(result)}</p>\n{body}</body>\n</html>\n'
    )


def figures(drawn: Iterable[tuple[Path, str, str]]) -> str:
    """Image files, each with its title and caption."""
    shown = "".join(
        f'<figure><img alt="{escape(title)}" src="data:image/{path.suffix[1:]};base64,{inline(path)}">'
        f"<figcaption><strong>{escape(title)}.</strong> {escape(caption)}</figcaption></figure>\n"
        for path, title, caption in drawn
    )
    return section("Figures", f'<div class="figures">\n{shown}</div>')


def section(title: str, content: str) -> str:
    """A heading with its content, which is markup already."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>\n"


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A plain table; the first cell of each row is its heading."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(str(first))}</th>'
        + "".join(f"<td>{escape(without_folders(str(cell)))}</td>" for cell in rest)
        + "</tr>\n"
        for first, *rest in rows
    )
    return scroll(f"<table><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table>")


def scroll(content: str) -> str:
    """A table that scrolls inside its own container on narrow screens."""
    return f'<div class="scroll" tabindex="0">{content}</div>'


def small(text: str) -> str:
    """A smaller line under a name or number; nothing for no text."""
    return f'<span class="small">{escape(text)}</span>' if text else ""


def inline(path: Path) -> str:
    """A file as base64, for a data: address."""
    return base64.b64encode(path.read_bytes()).decode("ascii")
