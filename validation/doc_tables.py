"""Tables of the documentation from kept results: `python -m validation.doc_tables` writes them there.

A table stands between `<!-- NAME -->` and `<!-- /NAME -->` in its page.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from validation import melt_quench
from validation import potential_tables as of_potential
from validation.refit_tables import closed_loop, requenched
from validation.report import markdown_table
from validation.verdict import MOST_ERRORS, with_error

FOLDER = Path(__file__).parent
DOCS = FOLDER.parent / "docs"


def trends(name: str) -> Callable[[], str]:
    """Every quantity of a kept study of the glass library against lithium."""

    def table() -> str:
        kept = json.loads((FOLDER / name).read_text())["trends"]
        levels = [f"{level:.1f}" for level in kept[0]["li2o"]]
        head = ("", levels[0] + " mol % Li2O", *levels[1:], "slope per mol %", "here", "paper")
        return markdown_table(head, [_trend(line) for line in kept])

    return table


def _trend(line: Mapping[str, Any]) -> tuple[str, ...]:
    unit = "" if line["unit"] == "1" else f" ({line['unit'].removeprefix('log10 ')})"
    means = (with_error(*pair) for pair in zip(line["mean"], line["error"], strict=True))
    slope = with_error(line["slope"], line["slope_error"])
    name = line["name"]
    shown = name if name[0].isupper() else name.replace("_", " ")  # G_c is a symbol
    return (shown + unit, *means, slope, line["found"], line["paper"] or "not stated")


def both_programs() -> str:
    """The melt-quench of many seeds, by either program."""
    kept = melt_quench.kept()
    both = melt_quench.Both(kept["jaxglass"], kept["lammps"])
    checks = both.agree(MOST_ERRORS)
    rows = []
    for check in checks:
        name = check.quantity
        means = (with_error(mean.value, mean.error) for mean in both.means(name))
        unit = melt_quench.unit(name)
        rows.append((name + ("" if unit == "1" else f" ({unit})"), *means, f"{check.difference:.1f}"))
    sides = (f"{name}, {len(side)} seeds" for name, side in (("jaxglass", both.jaxglass), ("LAMMPS", both.lammps)))
    error = f"Of {kept['date']}. The density's combined error is {100 * both.sharp.difference:.2f} %."
    return markdown_table(("", *sides, "combined errors apart"), rows) + f"\n\n{error}"


TABLES: dict[str, dict[str, Callable[[], str]]] = {
    "refit.md": {"closed_loop": closed_loop, "requenched": requenched},
    "accuracy.md": {
        "crystals": lambda: markdown_table(of_potential.CRYSTALS, of_potential.crystal_rows()),
        "glasses": lambda: markdown_table(of_potential.GLASSES, of_potential.glass_rows()),
    },
    "potential.md": {
        "rules": lambda: markdown_table(of_potential.RULES, of_potential.rule_rows()),
        "effects": lambda: markdown_table(of_potential.EFFECTS, of_potential.effect_rows()),
    },
    "validation.md": {"melt_quench": both_programs},
    "trends.md": {"trends": trends("trends.json")},
    "mechanics.md": {"mechanics": trends("mechanics.json")},
    "diffusion.md": {"diffusion": trends("diffusion.json")},
}


def filled(name: str) -> str:
    """The page `name` with its tables as the kept results have them."""
    text = (DOCS / name).read_text()
    for table, made in TABLES[name].items():
        block = f"<!-- {table} -->\n\n{made()}\n\n<!-- /{table} -->"
        text = re.sub(f"<!-- {table} -->.*?<!-- /{table} -->", lambda _, block=block: block, text, flags=re.DOTALL)
    return text


def main() -> int:
    """Command line."""
    for name in TABLES:
        (DOCS / name).write_text(filled(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
