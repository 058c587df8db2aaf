"""report.html: one self-contained page about one run, from the files in its directory.

Images and style are inlined and nothing is fetched. Every text passes `escape` on its way into the page.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from jaxglass.report import markup
from jaxglass.report.comparison import comparison, deviation_text
from jaxglass.report.figures import ReportFigure, draw_figures
from jaxglass.report.markup import scroll, section, small, table
from jaxglass.report.measured import measured_sections
from jaxglass.report.reference import ReferenceTable, load_references
from jaxglass.report.refit import refit_section, refit_sentence
from jaxglass.report.run_record import RunRecord, read_run
from jaxglass.report.transport import transport_section
from jaxglass.report.view3d import view_section
from jaxglass.report.wording import entries, number_text, settings, value_text, why_text

NAMED_STAGES = (
    "glass",
    "input",
    "structure",
    "rings",
    "topology",
    "melt_quench",
    "bond_switching",
    "diffusion",
    "refit",
    "provenance",
)


def write_report(run_dir: Path) -> Path:
    """Draw the figures and write `run_dir`/report.html; stages that the run lacks are left out."""
    run_dir = Path(run_dir)
    record, references = read_run(run_dir), load_references()
    figures = draw_figures(record, references, run_dir / "figures")
    report = run_dir / "report.html"
    report.write_text(page(record, references, figures), encoding="utf-8")
    return report


def page(record: RunRecord, references: ReferenceTable, figures: Sequence[ReportFigure]) -> str:
    """The whole page."""
    sections = [
        _comparison_section(record, references),
        _figure_section(figures),
        refit_section(record),
        view_section(record),
        _input_section(record),
        _making_section(record),
        _cutoff_section(record),
        measured_sections(record),
        transport_section(record),
        _other_sections(record),
        _limits_section(record, references),
        _potential_section(record),
        _settings_section(record),
    ]
    return markup.page(title_text(record), result_sentence(record, references), "".join(sections))


def title_text(record: RunRecord) -> str:
    """ "Glass 38 Li2O - 31 B2O3 - 31 P2O5 (mol %)", or the atoms where oxides do not fit."""
    if record.results.get("refit"):
        return "Refit of the potential"
    counts = record.glass.get("counts") or {}
    units = {oxide: counts.get(e, 0) / 2 for e, oxide in (("Li", "Li₂O"), ("B", "B₂O₃"), ("P", "P₂O₅"))}
    total = sum(units.values())
    if counts and total and set(counts) <= {"Li", "B", "P", "O"}:
        parts = [f"{round(100 * n / total, 1):g} {oxide}" for oxide, n in units.items() if n]
        return f"Glass {' – '.join(parts)} (mol %)"
    atoms = " ".join(f"{element}{n}" for element, n in counts.items())
    return f"Structure {atoms}" if atoms else "Report of one run"


def result_sentence(record: RunRecord, references: ReferenceTable) -> str:
    """What came out, in one sentence."""
    if record.results.get("refit"):
        return refit_sentence(record.results["refit"])
    parts = []
    if record.density is not None:
        measured = references.density(record.li2o) if record.li2o is not None else None
        beside = f" ({deviation_text(record.density['value'], measured.value)})" if measured else ""
        parts.append(f"a density of {value_text(record.density)}{beside}")
    n4 = record.structure.get("n4") or {}
    if n4.get("value") is not None:
        parts.append(f"{100 * n4['value']:.0f} % four-fold boron")
    lithium = (record.structure.get("coordination") or {}).get("Li") or {}
    if lithium.get("value") is not None:
        parts.append(f"{number_text(lithium['value'], 3)} oxygens around each Li")
    atoms = record.glass.get("n_atoms")
    start = f"{atoms} atoms" if atoms else "This run"
    return f"{start}: {_listed(parts)}." if parts else f"{start}: no structure or density was measured in this run."


def _comparison_section(record: RunRecord, references: ReferenceTable) -> str:
    rows = comparison(record, references)
    if not rows:
        return ""
    body = "".join(
        f'<tr><th scope="row">{escape(row.quantity)}{small(row.detail)}</th>'
        f'<td><span class="number">{escape(row.run)}</span>{small(row.why)}</td>'
        f"<td>{escape(row.paper)}</td><td>{escape(row.experiment)}</td><td>{escape(row.note)}</td></tr>\n"
        for row in rows
    )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Quantity", "This run", "Paper (simulation)", "Experiment", "Note")
    )
    whole = f'<table class="wide"><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>'
    hint = '<p class="hint muted">Swipe the table sideways for the paper, experiment and notes.</p>'
    errors = "The error after ± is the fluctuation of this one glass over its frames; seeds can differ by more."
    return section("Beside the paper and experiment", hint + scroll(whole) + f'<p class="muted">{errors}</p>')


def _figure_section(figures: Sequence[ReportFigure]) -> str:
    if not figures:
        return ""
    return markup.figures((figure.path, figure.title, figure.caption) for figure in figures)


def _input_section(record: RunRecord) -> str:
    """The file that was analysed, where this program did not make the atoms."""
    source = record.input
    if not source:
        return ""
    time = source.get("time")
    span = f"{number_text(time['first'])} to {number_text(time['last'])} {time['unit']}" if time else "not given"
    rows = [("File", str(source["file"])), ("Frames", str(source["frames"])), ("Time", span)]
    rows.append(("SHA-256", str(source["sha256"])))
    return section("What was analysed", table(("Quantity", "Value"), rows))


def _making_section(record: RunRecord) -> str:
    return section("How the glass was made", _entry_table(record.melt_quench)) if record.melt_quench else ""


def _cutoff_section(record: RunRecord) -> str:
    """The fixed cutoffs beside the first minima that this glass has."""
    cutoffs = record.structure.get("cutoffs") or {}
    minima = record.structure.get("first_minima") or {}
    if not cutoffs:
        return ""
    rows = [(pair, value_text(cutoff), *_minimum(minima.get(pair))) for pair, cutoff in cutoffs.items()]
    intro = "<p>Atoms closer than the cutoff count as bonded. By default as in the paper.</p>"
    return section("Bond cutoffs", intro + table(("Pair", "Cutoff used", "First minimum of g(r)", "Note"), rows))


def _other_sections(record: RunRecord) -> str:
    """Stages this page has no words for yet: their numbers, plainly."""
    stages = [(n, s) for n, s in record.results.items() if n not in NAMED_STAGES and isinstance(s, dict)]
    return "".join(
        section(name.replace("_", " ").capitalize(), _entry_table(stage))
        for name, stage in stages
        if any(entries(stage))
    )


def _limits_section(record: RunRecord, references: ReferenceTable) -> str:
    atoms, rate = record.glass.get("n_atoms"), record.melt_quench.get("quench_rate") or {}
    points = []
    if atoms:
        points.append(
            f"Size: {atoms} atoms; the paper's 38 mol % glass has {references.paper_atoms()}. "
            "Shares of rare species (five-fold boron, shared edges) rest on a few atoms, and nothing longer "
            "than half the cell can be seen."
        )
    if rate.get("value"):
        points.append(
            f"Cooling: {value_text(rate)}; the paper cooled at {references.paper_quench_rate():g} K/ps, "
            "and any laboratory many orders of magnitude more slowly. A faster quench freezes in a hotter "
            "structure."
        )
    if "refit" in record.results:
        points += [
            "Other data of the same glass would give other parameters, by about their "
            "intervals and by what fresh glasses scatter.",
            "The potential is one for this rate of cooling and for these observables. What was not fitted (moduli, N4, "
            "glasses held out) stands beside it: judge it by these.",
        ]
    elif record.input:
        points.append(
            "One file: the errors are those of the fluctuations over its frames. How the atoms were made is not known "
            "here; the notes beside the numbers speak of the potential of jaxglass."
        )
    else:
        points += [
            "One seed: one glass was made. The errors are those of its fluctuations in time. Differences between "
            "compositions mean something only when they exceed the spread between seeds.",
            "Density and N4 below experiment come mostly from the potential; slower cooling changes them little.",
        ]
    return section("Scale, and what it cannot show", f"<ul>{''.join(f'<li>{escape(p)}</li>' for p in points)}</ul>")


def _potential_section(record: RunRecord) -> str:
    a_bo = record.glass.get("a_bo") or {}
    if not a_bo:
        return ""
    law = a_bo.get("n4_law")
    rows = [("A(B-O)", value_text(a_bo)), ("Rule", str(a_bo.get("rule", "not recorded")))]
    if law is not None:
        rows.append(("N4 that entered the rule", number_text(law, 3)))
    intro = "<p>The paper does not give its A(B-O). N4 depends on it strongly, the density hardly.</p>"
    return section("Boron-oxygen repulsion", intro + table(("Quantity", "Value"), rows))


def _settings_section(record: RunRecord) -> str:
    provenance = record.provenance
    tables = [
        ("Settings", list(settings(_in_force(record.config)))),
        ("Engine plan", list(settings(provenance.get("plan") or {}))),
        ("Versions", list(settings(provenance.get("versions") or {}))),
        ("Run", list(settings({k: provenance[k] for k in ("seed", "devices") if k in provenance}))),
    ]
    shown = "".join(f"<div><h3>{title}</h3>{table(('Name', 'Value'), rows)}</div>" for title, rows in tables if rows)
    return section("Settings and versions", f'<div class="columns settings">{shown}</div>') if shown else ""


def _in_force(config: Mapping) -> dict:
    """The settings without Hydra's and without the tables of the shipped potential where a file replaces them."""
    found = {key: value for key, value in config.items() if key != "hydra"}
    potential = found.get("potential") or {}
    if potential.get("file"):
        found["potential"] = {key: value for key, value in potential.items() if key not in ("charges", "buckingham")}
    return found


def _entry_table(stage: Mapping) -> str:
    rows = [(name.replace("_", " "), value_text(entry), why_text(entry)) for name, entry in entries(stage)]
    return table(("Quantity", "Value", "Note"), rows) if rows else ""


def _minimum(entry: Mapping | None) -> tuple[str, str]:
    if entry is None or entry.get("value") is None:
        return "none found", (entry or {}).get("reason") or ""
    return value_text(entry), ""


def _listed(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
