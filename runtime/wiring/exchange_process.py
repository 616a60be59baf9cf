"""A local exchange for one trader: says its addresses on standard output, ends with its input.

Started by ``exchange_child``; when the trader goes, however it goes, its end of the pipe closes and
the exchange stops.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

from envs.core.errors import FixInput
from runtime.exchange.cli import add_arguments, exchange_settings
from runtime.exchange.settings import ExchangeSettings
from runtime.settings import load_settings


def settings_from(argv: list[str]) -> ExchangeSettings:
    """Settings of the exchange's own options and of the trader's resolved settings file.

    Raises:
        FixSettings: A value is out of range.
    """
    parser = argparse.ArgumentParser(prog="exchange_process")
    add_arguments(parser)
    args = parser.parse_args(argv)
    found = exchange_settings(args)
    run = load_settings(None, Path(args.config)).run
    return replace(found, synthetic_bars=run.synthetic_bars, synthetic_edge=run.synthetic_edge)


async def serve(settings: ExchangeSettings) -> None:
    """Serve until standard input ends."""
    from runtime.exchange.hosting import HostedExchange

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with HostedExchange(settings) as exchange:
        session = exchange.session
        said = {
            "rest": exchange.addresses.rest,
            "control": exchange.addresses.control,
            "now_ns": session.now_ns,
            "resumed": session.resumed,
        }
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        while await reader.read(1024):
            pass


def main() -> int:
    """Run; 2 and the reason on standard error for what must be mended."""
    # Ctrl-C in the terminal is the trader's: it still has to talk to this exchange.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(serve(settings_from(sys.argv[1:])))
    except FixInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
