"""Pieces of the page: sections, tables that scroll inside their own container, inlined images."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from jaxglass.report.wording import without_folders


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
