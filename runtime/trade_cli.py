"""``python -m runtime trade``: a bundle's agents trade at a venue and go on learning."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime

from envs.core.errors import FixInput, QuantumTraderError
from runtime.adapters.host_guard import LIVE_PHRASE, TYPED_PHRASE
from runtime.settings_cli import EXIT_FIX_INPUT
from runtime.wiring.asking import plan_of
from runtime.wiring.plan import TradePlan

HELP = "trade a bundle's agents on the simulated, local or demo exchange, and let them learn"
EXIT_CORE, EXIT_INTERRUPTED = 3, 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options; each says its unit and default."""
    _what(parser.add_argument_group("what trades where"))
    _when(parser.add_argument_group("time"))
    _places(parser.add_argument_group("state, journal and end"))
    _settings(parser.add_argument_group(
        "settings (defaults < the bundle's own < --config < environment < options)"
    ))  # fmt: skip
    parser.epilog = (
        "Exit code: 0 done, 2 something must be mended first, 3 a core service failed, "
        "130 Ctrl-C (once: stop in order, twice: at once). docs/runtime.md and docs/testnet.md."
    )


def main(args: argparse.Namespace) -> int:
    """Run the trader; returns the exit code."""
    try:
        plan = plan_of(args, sys.argv[2:], os.environ, datetime.now(UTC))
        typed = confirm_live(plan) if plan.venue == "live" else ""
        return asyncio.run(_run(plan, args.view, typed))
    except FixInput as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FIX_INPUT
    except QuantumTraderError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_CORE
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: positions keep the protective orders they had\n")
        return EXIT_INTERRUPTED


def confirm_live(plan: TradePlan) -> str:
    """Ask for the typed confirmation of live trading, when the setting allows it at all.

    Raises:
        FixInput: Not allowed, or there is nobody at a terminal.
    """
    if os.environ.get("QT_ALLOW_LIVE", "") != LIVE_PHRASE:
        raise FixInput(
            f"--venue live is off: it needs QT_ALLOW_LIVE={LIVE_PHRASE}; use demo or local instead"
        )
    if not sys.stdin.isatty():
        raise FixInput("--venue live must be confirmed by a person at a terminal at every start")
    sys.stderr.write(
        f"This sends real orders for {', '.join(plan.settings.run.symbols)} with real money.\n"
        f"Type {TYPED_PHRASE!r} to go on: "
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip()


async def _run(plan: TradePlan, view: str, typed: str) -> int:
    # What comes after it takes seconds to load, in which nothing may be without a stop.
    from runtime.wiring.first_aid import first_aid

    await first_aid(plan, typed)
    from runtime.display.session import trade_with_view

    return await trade_with_view(plan, view, typed)


def _what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--bundle", metavar="DIR", required=True, help="what training wrote")
    group.add_argument(
        "--venue", choices=("sim", "local", "demo", "live"), default=None,
        help="sim: in this process, as fast as it goes; local: the built-in exchange; demo: the "
        "exchange's demo, with keys (docs/testnet.md); live: only with QT_ALLOW_LIVE and a typed "
        "confirmation [default sim; variable QT_VENUE]",
    )  # fmt: skip
    group.add_argument(
        "--symbols", metavar="LIST", default=None,
        help="contracts traded, of those in the bundle [comma-separated; default: the bundle's; "
        "variable QT_SYMBOLS]",
    )  # fmt: skip
    group.add_argument(
        "--data", metavar="DIR|synthetic", default=None,
        help="bars for sim and local [folder, or synthetic; default: what the bundle was trained "
        "on; variable QT_DATA]",
    )  # fmt: skip
    group.add_argument(
        "--funding", choices=("file", "default"), default=None,
        help="missing funding files: refused, or replaced by COST_FUNDING_RATE [default: as in "
        "training]",
    )  # fmt: skip
    group.add_argument(
        "--exchange-url", metavar="URL", default="",
        help="local: an exchange that runs already, such as http://127.0.0.1:18080 [default: one "
        "is started on free ports and stopped at the end]",
    )  # fmt: skip
    group.add_argument(
        "--control-url", metavar="URL", default="",
        help="its control address, for --speed lockstep, such as http://127.0.0.1:18081",
    )  # fmt: skip


def _when(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--start", metavar="DATE", dest="trade_start", default=None,
        help="sim, local: close of the first decision [UTC date or time; default: the begin of the "
        "bundle's held-out period]",
    )  # fmt: skip
    group.add_argument(
        "--end", metavar="DATE", dest="trade_end", default=None,
        help="close of the last bar [UTC date or time; default sim, local: the end of the "
        "held-out period; demo: none]",
    )  # fmt: skip
    group.add_argument(
        "--max-bars", metavar="N", type=int, default=None,
        help="end after so many bar closes [count; default: no limit]",
    )  # fmt: skip
    group.add_argument(
        "--speed", metavar="X|lockstep", default="60",
        help="local: market seconds per wall second of the exchange that is started, or of the one "
        "at --exchange-url; lockstep: the trader moves the market, so that runs repeat exactly "
        "[default 60]",
    )  # fmt: skip
    group.add_argument(
        "--loop", metavar="S", default=None,
        help="market seconds between two comparisons with the venue [s; default 30; variable "
        "QT_CYCLE_S]",
    )  # fmt: skip
    group.add_argument(
        "--monitor", metavar="S", default=None,
        help="market seconds between two looks at open positions [s; default 5; variable "
        "QT_MONITOR_S]",
    )  # fmt: skip


def _places(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--state", metavar="DIR|URL", default=None,
        help="folder of journal, checkpoints and logs, or the URL of a database for the journal; "
        "an existing state is continued [default: runs/trade-VENUE-..., a new one for sim and "
        "local, the same one for demo; variable QT_DATABASE_URL]",
    )  # fmt: skip
    group.add_argument(
        "--journal", choices=("auto", "full", "trades"), default=None,
        help="full: every view, decision and order, on disk before it acts; trades: what "
        "was traded, the rest counted, for sim only; auto: trades on sim, else full [default auto; "
        "variable QT_JOURNAL]",
    )  # fmt: skip
    group.add_argument(
        "--learn", action=argparse.BooleanOptionalAction, default=True,
        help="whether both agents learn from closed trades and forecasts [default: they do]",
    )  # fmt: skip
    group.add_argument(
        "--on-exit", choices=("flatten", "leave"), default=None,
        help="what Ctrl-C does with open positions: close them, or leave them with their stops "
        "resting at the venue [default leave; variable QT_ON_EXIT]",
    )  # fmt: skip
    group.add_argument(
        "--view", choices=("auto", "live", "plain", "none"), default="auto",
        help="live: a screen that is kept up to date; plain: a line per event; auto: live at a "
        "terminal [default auto]",
    )  # fmt: skip


def _settings(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--seed", metavar="N", default=None,
        help="seed of the built-in market and of every draw [integer; default: the bundle's; "
        "variable QT_SEED]",
    )  # fmt: skip
    group.add_argument("--config", metavar="FILE.toml", help="settings file, see docs/settings.md")
    group.add_argument(
        "--set", metavar="NAME=VALUE", action="append",
        help="any other setting, by the name of its variable or its TOML key; may be repeated",
    )  # fmt: skip
