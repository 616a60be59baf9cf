"""Looking before anything is opened: settings, keys, disk and bundle."""

from __future__ import annotations

import logging
import os

from runtime.bundle import Bundle
from runtime.preflight import Preflight
from runtime.wiring.plan import TradePlan

_LOG = logging.getLogger(__name__)


def look_before(plan: TradePlan, bundle: Bundle) -> None:
    """Check what can be checked without the venue; warnings go to the log.

    Raises:
        FixInput: Something must be mended; the message holds every such sentence.
    """
    report = Preflight(
        plan.settings, plan.venue, environ=os.environ, bundle=bundle, state=plan.state
    ).look()
    report.require()
    for check in report.warnings:
        _LOG.warning("%s: %s", check.name, check.text)
