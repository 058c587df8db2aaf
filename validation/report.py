"""report.html and report.md: figures, one screen of verdicts, the paper line by line, versions and hashes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path

from jaxglass.manifest import versions
from jaxglass.report.markup import figures, page, scroll, section, small, table
from validation import potential_tables as tables_of
from validation.bench import Bench
from validation.cache import source_hash
from validation.figures import Drawn, draw
from validation.paper import Line, paper_lines
from validation.suite import Outcome
from validation.verdict import Finding, Verdict, share

FOLDER = Path(__file__).parent
KEPT = tuple(
    f"{name}.json"
    for name in (
        *("trends", "mechanics", "diffusion", "mechanics_lammps", "lammps_diffusion", "melt_quench", "drift"),
        *("accuracy", "boron_rule"),
    )
)
MARK = {Verdict.PASS: "pass", Verdict.FAIL: "FAIL", Verdict.NOT_COMPARABLE: "not comparable"}
NUMBERS = "Our values: means over seeds with standard errors, from 38 to 45 mol % Li₂O, of the glass library."


@dataclass(frozen=True)
class Contents:
    """Everything a report shows."""

    level: str
    lammps: str
    outcome: Outcome
    lines: Sequence[Line]
    drawn: Sequence[Drawn]

    @property
    def sentence(self) -> str:
        """The result in one line."""
        count = {v: sum(one.finding.verdict is v for one in self.outcome.judged) for v in Verdict}
        caught = sum(control.caught for control in self.outcome.controls)
        told = "passes" if self.outcome.passes else "FAILS"
        return (
            f"Level {self.level} {told}: {count[Verdict.PASS]} comparisons pass, {count[Verdict.FAIL]} fail, "
            f"{count[Verdict.NOT_COMPARABLE]} not comparable; {caught} of {len(self.outcome.controls)} negative "
            "controls caught."
        )

    @property
    def verdicts(self) -> list[tuple[str, ...]]:
        """Rows on one screen: comparison, verdict, number of checks, and what is nearest to its limit."""
        rows = [
            (
                one.comparison.name,
                MARK[one.finding.verdict] + (f", kept {one.finding.kept}" if one.finding.kept else ""),
                *_nearest(one.finding),
            )
            for one in self.outcome.judged
        ]
        controls = [
            (f"control: {one.control} wrong", "caught" if one.caught else "NOT CAUGHT", *_nearest(one.finding))
            for one in self.outcome.controls
        ]
        return rows + controls

    @property
    def details(self) -> list[tuple[str, ...]]:
        """Rows: comparison, what is compared, what was found, tolerance, reason."""
        rows = [
            (
                one.comparison.name,
                one.comparison.what,
                one.finding.words,
                one.comparison.tolerance,
                one.comparison.reason,
            )
            for one in self.outcome.judged
        ]
        controls = [
            (
                f"control: {one.control} wrong",
                f"{one.comparison.name}, jaxglass with a wrong value",
                one.finding.words,
                f"{one.comparison.name} must fail",
                "a comparison that cannot fail says nothing",
            )
            for one in self.outcome.controls
        ]
        return rows + controls

    @property
    def paper(self) -> list[tuple[str, ...]]:
        """Rows: item, content, what jaxglass computes and where, ours, paper, experiment, verdict."""
        return [
            (
                line.item,
                line.what,
                f"{line.computes} ({line.where})",
                " | ".join(trend.numbers for trend in line.trends),
                " | ".join(filter(None, [*(trend.deciding for trend in line.trends), line.paper])),
                line.experiment,
                " | ".join(line.outcomes),
            )
            for line in self.lines
        ]

    @property
    def hashes(self) -> list[tuple[str, str]]:
        """Versions, and SHA-256 of the sources and of what the numbers were read from."""
        files = {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in KEPT if _there(name)}
        known = {"date": date.today().isoformat(), "LAMMPS": self.lammps, **versions()}
        return [
            *known.items(),
            ("sources of jaxglass, this checkout; kept results have a date", source_hash()),
            *files.items(),
        ]


VERDICTS = ("Comparison", "Verdict", "Checks", "Nearest to its limit", "Share of the limit")
DETAILS = ("Comparison", "What is compared", "Nearest to its limit", "Tolerance", "Reason, written beforehand")
PAPER = ("Item", "Content", "jaxglass computes", "Ours", "Decided by; paper", "Experiment", "Verdict")


def _nearest(finding: Finding) -> tuple[str, str, str]:
    """How many checks there are, the one that is nearest to its limit, and the share of the limit it comes to."""
    worst = finding.worst
    if worst is None:
        return "", finding.words, ""
    return str(len(finding.checks)), worst.quantity, f"{share(worst):.3g}"


def write_report(bench: Bench, outcome: Outcome, folder: Path) -> Path:
    """Draw the figures and write both files into `folder`; the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = Contents(bench.level, bench.cache.by.version, outcome, paper_lines(), draw(outcome, folder / "figures"))
    (folder / "report.md").write_text(markdown(contents), encoding="utf-8")
    report = folder / "report.html"
    report.write_text(html(contents), encoding="utf-8")
    return report


def html(contents: Contents) -> str:
    """The page; nothing is fetched."""
    body = [
        figures((d.path, d.title, d.caption) for d in contents.drawn),
        section("Verdicts", table(VERDICTS, contents.verdicts)),
        section("The paper, line by line", f'<p class="muted">{NUMBERS}</p>' + _wide(PAPER, contents.paper)),
        *(
            section(title, f'<p class="muted">{about}</p>' + _wide(head, rows))
            for title, about, head, rows in potential()
        ),
        section("What was compared and why it may differ", _wide(DETAILS, contents.details)),
        section("Versions and hashes", table(("What", "Which"), contents.hashes)),
    ]
    return page("Validation of jaxglass", contents.sentence, "".join(body))


def potential() -> list[tuple[str, str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Title, a sentence, head and rows of the tables about the potential that have rows."""
    tables = [
        (
            "The potential in crystals",
            "At rest at 0 K and zero pressure against the measured cell (python -m validation.accuracy). None of them "
            "was fitted. Bonds of perturbed or unverified coordinates are not compared.",
            tables_of.CRYSTALS,
            tables_of.crystal_rows(),
        ),
        (
            "The potential in other glasses",
            "Means over seeds with standard errors, cooled at 50 K/ps, beside SciGlass and NMR "
            "(python -m validation.accuracy). Moduli are those at rest, in the paper's glasses far above those of "
            "300 K (validation/mechanics.json has both).",
            tables_of.GLASSES,
            tables_of.glass_rows(),
        ),
        (
            "What the choice of A_BO does",
            "Paired by composition and seed, four compositions (python -m validation.boron_rule). The paper does not "
            "say which A_BO it used.",
            tables_of.EFFECTS,
            tables_of.effect_rows(),
        ),
        (
            "Every composition under every rule for A_BO",
            "The glasses of the table above. N4 by NMR is about 0.95 or more (docs/potential.md).",
            tables_of.RULES,
            tables_of.rule_rows(),
        ),
    ]
    return [table for table in tables if table[-1]]


def _wide(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells may hold several entries, one below the other."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join("<td>" + "<br>".join(map(escape, cell.split(" | "))) + "</td>" for cell in rest)
        + "</tr>\n"
        for first, *rest in rows
    )
    hint = f'<p class="hint">{small("Swipe the table sideways.")}</p>'
    return hint + scroll(f'<table class="wide"><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table>')


def markdown(contents: Contents) -> str:
    """The same as text."""
    drawn = "\n\n".join(f"![{d.title}](figures/{d.path.name})\n\n{d.caption}" for d in contents.drawn)
    parts = [
        f"# Validation of jaxglass\n\n**{contents.sentence}**\n\n## Figures\n\n{drawn}",
        "## Verdicts\n\n" + markdown_table(VERDICTS, contents.verdicts),
        f"## The paper, line by line\n\n{NUMBERS}\n\n" + markdown_table(PAPER, contents.paper),
        *(f"## {title}\n\n{about}\n\n" + markdown_table(head, rows) for title, about, head, rows in potential()),
        "## What was compared and why it may differ\n\n" + markdown_table(DETAILS, contents.details),
        "## Versions and hashes\n\n" + markdown_table(("What", "Which"), contents.hashes),
    ]
    return "\n\n".join(parts) + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; entries of a cell, apart by " | ", one below the other."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(c.replace(" | ", "<br>").replace("|", "/") for c in r) + " |" for r in lines)


def _there(name: str) -> bool:
    return (FOLDER / name).exists()
