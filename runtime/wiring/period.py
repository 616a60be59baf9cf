"""Which bars a run on known data trades."""

from __future__ import annotations

from envs.core.errors import FixData
from envs.market.sources import interval_ns_of
from runtime.bundle import Bundle
from runtime.signals.cached import CachedSignals, cached_signals
from runtime.signals.market import instant_of
from runtime.wiring.plan import TradePlan


def interval_of(bundle: Bundle) -> int:
    """Length of a bar in nanoseconds."""
    return interval_ns_of(str(bundle.manifest["timeframe"]))


def period_of(plan: TradePlan, bundle: Bundle) -> tuple[int, int | None]:
    """Close of the first decision and of the last bar; None: the data's last.

    Raises:
        FixData: The start lies in the bundle's training: such a result would flatter.
    """
    start_ns, end_ns = plan.start_ns, plan.end_ns
    if start_ns is None:
        start_ns = instant_of(bundle, "test_start")
        return start_ns, instant_of(bundle, "test_end") if end_ns is None else end_ns
    if start_ns <= instant_of(bundle, "train_end"):
        raise FixData(
            "--start lies inside the bundle's training span, which ends "
            f"{bundle.manifest['spans']['train_end']}: results there would flatter"
        )
    return start_ns, end_ns


def known_signals(plan: TradePlan, bundle: Bundle, *, emit_labels: bool = True) -> CachedSignals:
    """Signals on bars known beforehand; ``row`` is that of the first decision.

    Raises:
        FixData: See ``cached_signals`` and ``period_of``.
    """
    start_ns, end_ns = period_of(plan, bundle)
    return cached_signals(
        bundle, plan.settings, start_ns=start_ns + interval_of(bundle), end_ns=end_ns,
        cache=plan.cache, emit_labels=emit_labels, learning=plan.learn,
    )  # fmt: skip
