"""Writes ``docs/settings.md`` and ``.env.example`` from the settings themselves.

``python -m runtime.settings_docs`` (``make docs``) writes both; a test compares them.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from envs.artifact import atomic_write_text
from runtime.settings_tree import READ_ELSEWHERE, Variable, variables
from runtime.settings_values import render

ROOT = Path(__file__).resolve().parent.parent
TITLES = {
    "run": "The run",
    "core": "The account",
    "costs": "Costs",
    "plan": "The sizing plan",
    "risk": "Limits and position lifecycle",
    "ess": "Emergency stop",
    "entry": "Entries",
    "signal": "Vote and candidates",
    "market": "Regimes and gaps",
    "ensemble": "The four models",
    "sizing": "The sizing agent",
    "deep": "The deep-RL baselines",
    "kelly": "Kelly",
    "reinforcement": "The weight and calibration manager",
    "trading": "Trading: venue, times, journal, log",
    "live": "The live runtime only: training reads none of these",
    "performance": "Adviser: each symbol's own trades (live runtime)",
    "memory": "Adviser: memory of trades, regimes and setups (live runtime)",
}
HEAD = """# Settings

Made from the code by `make docs`; do not edit.

One tree: defaults < TOML file (`--config FILE.toml`) < environment variables < command line
(`--option` or `--set NAME=VALUE`). A ratio is a fraction: 0.03 means 3 %. Booleans are
true, false, 1 or 0. An unknown name and a value outside its range are refused (exit code 2).
In a TOML file a setting stands in its table under the name of the second column.
"""


def files() -> dict[str, str]:
    """Return the generated files: path below the root, and text."""
    return {"docs/settings.md": settings_table(), ".env.example": env_example()}


def settings_table() -> str:
    """Markdown tables of every setting, one for each table of the tree."""
    parts = [HEAD]
    for table, group in groupby(variables(), key=lambda v: v.table):
        parts.append(f"\n## {TITLES.get(table, table)} (`[{table}]`)\n")
        parts.append("| variable | key | option | default | allowed | unit | meaning |")
        parts.append("|---|---|---|---|---|---|---|")
        parts.extend(_row(v) for v in group)
    parts.append("\n## Read outside the tree\n")
    parts.extend(f"- `{name}`: {text}" for name, text in READ_ELSEWHERE.items())
    return "\n".join(parts) + "\n"


def env_example() -> str:
    """Text of an example environment file: every variable with its default, commented out."""
    lines = [
        "# Every variable with its default. Made from the code by `make docs`.",
        "# Copy to .env, uncomment what you change, and load it: set -a; . ./.env; set +a",
    ]
    for table, group in groupby(variables(), key=lambda v: v.table):
        lines += ["", f"# {TITLES.get(table, table)}"]
        lines.extend(f"# {v.env}={render(v.default)}" for v in group if v.env)
    lines += ["", "# Read outside the tree (docs/settings.md); secrets belong in files of mode 600"]
    lines.extend(f"# {name}=" for name in READ_ELSEWHERE)
    return "\n".join(lines) + "\n"


def _row(v: Variable) -> str:
    cells = [_code(v.env), _code(v.field), _code(v.option), _code(render(v.default))]
    cells += [v.allowed, v.unit, v.help]
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def main() -> None:
    """Write both files below the root of the checkout."""
    for name, text in files().items():
        atomic_write_text(ROOT / name, text)


if __name__ == "__main__":
    main()
