"""The certificate for people: a table for the terminal, a page for the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from envs.artifact import atomic_write_text
from training.certificate import ELSEWHERE, Certificate
from training.games.sheet import Row

_SIGNS = {"equal": "", "at most": "<= ", "at least": ">= "}
_HEAD = """# Certificate
<!-- Written by `python training/certify.py --write-docs`; do not edit. -->

`python training/certify.py` (or `make certify`) plays games whose answers are known and compares.
Values come from the code that trades, learns and reports; only worlds that are solved by value
iteration have a solver of their own, as the answer their learner is held against. What is expected
is a literal from the literature or from the arithmetic of the project's rules. A learned or drawn
figure has the tolerance of its sample, with a fixed seed; all others agree within the last printed
place. The digest covers rows and verdicts, not times. It says that rules and learners do what they
should on games with known answers, and nothing about profit on markets.

"""


def expected_text(row: Row) -> str:
    """Expected value with the sign of its rule."""
    return f"{_SIGNS[row.rule]}{row.expected:.9g}"


def print_certificate(console: Console, certificate: Certificate) -> None:
    """Print every row, the failed ones again at the end, and the digest."""
    table = Table(title="Games with known answers", pad_edge=False)
    table.add_column("row", justify="right")
    table.add_column("case", overflow="fold")
    for name in ("value", "expected", "tolerance"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("pass")
    for row in certificate.rows:
        table.add_row(
            str(row.number), row.case, f"{row.value:.9g}", expected_text(row),
            f"{row.tolerance:.2g}", "[green]yes[/green]" if row.passed else "[red]NO[/red]",
        )  # fmt: skip
    console.print(table)
    for row in certificate.failed:
        console.print(
            f"[red]failed[/red] row {row.number}, {row.case}: {row.value:.9g}, expected "
            f"{expected_text(row)} within {row.tolerance:.2g}",
            soft_wrap=True,
        )
    good = len(certificate.rows) - len(certificate.failed)
    console.print(f"{good} of {len(certificate.rows)} known answers, form {certificate.form}")
    console.print(f"digest {certificate.to_json()['digest']}", soft_wrap=True)


def print_verdict(console: Console, summary: dict[str, Any]) -> None:
    """One line on the certificate a bundle takes along, and every row that failed."""
    console.print(
        f"[dim]certificate ({summary['form']}): {summary['rows'] - len(summary['failed'])} of "
        f"{summary['rows']} known answers[/dim]"
    )
    for failed in summary["failed"]:
        console.print(
            f"[red]known answer failed[/red]: row {failed}; see training/certify.py", soft_wrap=True
        )


def to_markdown(certificate: Certificate) -> str:
    """The page ``docs/certificate.md``."""
    content: dict[str, Any] = certificate.to_json()
    good = len(certificate.rows) - len(certificate.failed)
    lines = [
        f"{good} of {len(certificate.rows)} figures agree. Digest `{content['digest']}`.",
        "",
        "| row | case | value | expected | tolerance | pass |",
        "|--:|---|--:|--:|--:|---|",
    ]
    for row in certificate.rows:
        cells = (
            str(row.number), row.case, f"{row.value:.9g}", expected_text(row),
            f"{row.tolerance:.2g}", "yes" if row.passed else "**no**",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Row numbers are those of the specification's table of known answers. Not here:"]
    lines += [f"- row {number}: {where}." for number, where in ELSEWHERE.items()]
    return _HEAD + "\n".join(lines) + "\n"


def write_docs(certificate: Certificate, file: Path) -> None:
    """Write the page."""
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(file, to_markdown(certificate))
