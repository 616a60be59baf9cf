"""The settings tree on a command line: options, their help, and the exit code of a bad value."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from envs.core.errors import FixInput
from runtime.settings import Settings, load_settings
from runtime.settings_tree import Variable, variables
from runtime.settings_values import render

EXIT_FIX_INPUT = 2


def add_arguments(
    parser: argparse.ArgumentParser,
    only: Sequence[str] | None = None,
    without: Mapping[str, str] | None = None,
) -> None:
    """Add the main options, ``--config`` and ``--set``; each says its unit and default.

    ``only`` names the options wanted (``data``, ``train_end``); without it all are added.
    ``without`` says per option what holds where it is not given, for programs with other defaults.
    """
    group = parser.add_argument_group("settings (defaults < --config < environment < options)")
    for v in variables():
        dest = v.option.removeprefix("--").replace("-", "_")
        if v.option and (only is None or dest in only):
            _add(group, v, (without or {}).get(dest))
    group.add_argument("--config", metavar="FILE.toml", help="settings file, see docs/settings.md")
    group.add_argument(
        "--set", metavar="NAME=VALUE", action="append",
        help="any other setting, by the name of its variable or its TOML key; may be repeated",
    )  # fmt: skip
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _listing()


def settings_of(
    arguments: argparse.Namespace, environ: Mapping[str, str] | None = None
) -> Settings:
    """Load the settings a parsed command line asks for; foreign arguments are left aside.

    Raises:
        FixSettings: See ``load_settings``.
    """
    wanted = {v.option.removeprefix("--").replace("-", "_") for v in variables() if v.option}
    given = {name: x for name, x in vars(arguments).items() if name in wanted or name == "set"}
    return load_settings(
        given, getattr(arguments, "config", None), os.environ if environ is None else environ
    )


def refuse(error: FixInput) -> NoReturn:
    """End the program with exit code 2 and the error's message."""
    sys.stderr.write(f"error: {error}\n")
    raise SystemExit(EXIT_FIX_INPUT)


def _add(group: argparse._ArgumentGroup, v: Variable, without: str | None = None) -> None:
    default = f"default {render(v.default)}" if v.default is not None else "optional"
    default = default if without is None else f"default: {without}"
    variable = f", variable {v.env}" if v.env else ""
    what = v.help if without is None else v.help.partition("; without:")[0]
    text = f"{what} [{v.unit}; {default}{variable}]".replace("%", "%%")
    if v.kind is bool:
        group.add_argument(v.option, action="store_const", const=True, default=None, help=text)
        return
    choices = "|".join(str(c) for c in v.limits.get("choices", ()))
    group.add_argument(v.option, metavar=v.metavar or choices or v.field.upper(), help=text)


def _listing() -> str:
    lines = ["every other setting, for --set, the environment or a file (docs/settings.md):"]
    lines.extend(
        f"  {v.env or v.key:36} {render(v.default):>12}  {v.help} [{v.unit}]"
        for v in variables()
        if not v.option
    )
    return "\n".join(lines)
