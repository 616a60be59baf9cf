"""The bars and votes a bundle is run on: a folder's, or the built-in market's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ensemble.bundle_votes import cached_votes
from ensemble.store import load_bundle_models
from envs.core.errors import FixData, FixSettings
from envs.core.market_data import MarketData
from envs.core.tape import VoteTable
from envs.core.types import IntrabarRule
from envs.market.build import load_market
from envs.market.planted import SyntheticMarket, synthetic_market
from envs.market.sources import interval_ns_of
from envs.market.synthetic import SyntheticSettings, edge_of, over_period
from runtime.bundle import Bundle, load_bundle
from runtime.settings import RunSettings, Settings, load_settings, replace_run


def market_of_bundle(
    settings: Settings, bundle: Bundle, end_ns: int | None = None, cache: Path | None = None
) -> tuple[MarketData, VoteTable]:
    """Bars up to ``end_ns`` and the bundle's votes on all of them.

    Args:
        end_ns: last close of a folder's bars; the built-in market is always the whole one.
        cache: folder of votes computed before; None computes them anew.

    Raises:
        RefusedArtifact: The bundle's features are not this version's, or it has no models.
        FixData: Missing or damaged files, or a symbol without bars.
    """
    run = settings.run
    if run.is_synthetic:
        made = built_in_market(settings, bundle)
        market, votes = made.market, made.votes
        _require_features(market, bundle)
        return market, votes
    market, _ = load_market(
        Path(run.data).expanduser(), run.symbols, run.timeframe, None, end_ns,
        funding_default=run.funding == "default", default_rate=settings.core.costs.funding_rate,
        default_mmr=settings.core.costs.default_mmr, settings=settings.market,
        detail=detail_of(settings),
    )  # fmt: skip
    _require_features(market, bundle)
    fitted = load_bundle_models(bundle.folder, settings.ensemble, market.feature_hash)
    return market, cached_votes(market, settings.core, fitted, cache)


def built_in_market(settings: Settings, bundle: Bundle) -> SyntheticMarket:
    """The bars the bundle was trained on, whatever part of them is run on.

    A market of another length is another market, so the length is that of the bundle's own run.
    """
    own = load_settings(toml_path=bundle.folder / "config.toml").run
    if own.is_synthetic:
        keep = {"start": own.start, "test_end": own.test_end, "synthetic_bars": own.synthetic_bars}
        settings = replace_run(settings, **keep)
    return generated(settings)


def generated(settings: Settings) -> SyntheticMarket:
    """The built-in market of a run's settings, over its period where one is given.

    Raises:
        FixSettings: Finer bars are asked for, which it has not, or the period is too short.
    """
    run = settings.run
    if settings.core.entry.intrabar is IntrabarRule.DETAIL:
        raise FixSettings(
            "QT_INTRABAR_RULE=detail needs finer bars, which the built-in market has not: use "
            "path or pessimistic, or --data with a folder that holds them"
        )
    wanted = SyntheticSettings(
        symbols=run.symbols, n_bars=run.synthetic_bars, interval_ns=interval_ns_of(run.timeframe),
        seed=run.seed, edge=edge_of(run.synthetic_edge),
    )  # fmt: skip
    if run.start_ns is not None or run.test_end_ns is not None:
        wanted = over_period(wanted, run.start_ns or wanted.start_ns, run.test_end_ns)
    return synthetic_market(wanted, settings.core.costs, settings.core.signal)


def detail_of(settings: Settings) -> str | None:
    """Timeframe of the finer bars to read, None where the rule walks none.

    Raises:
        FixSettings: They are not finer than the bars, or do not divide them.
    """
    if settings.core.entry.intrabar is not IntrabarRule.DETAIL:
        return None
    run = settings.run
    whole, part = interval_ns_of(run.timeframe), interval_ns_of(run.detail_timeframe)
    if part >= whole or whole % part:
        raise FixSettings(
            f"QT_INTRABAR_RULE=detail: QT_DETAIL_INTERVAL = {run.detail_timeframe} must be finer "
            f"than QT_INTERVAL = {run.timeframe} and divide it"
        )
    return run.detail_timeframe


def instant_of(bundle: Bundle, name: str) -> int:
    """One end of the bundle's spans (``train_end``, ``test_start``...), UTC nanoseconds."""
    text = bundle.manifest["spans"][name].removesuffix("Z")
    return int(np.datetime64(text, "ns").astype(np.int64))


def last_row_of(end_ns: int | None, run: RunSettings, market: MarketData) -> int:
    """Row of the last close to run on.

    Raises:
        FixData: The built-in market ends before.
    """
    last = market.n_bars - 1
    if end_ns is None or not run.is_synthetic:
        return last
    if end_ns > int(market.close_ns[last]):
        raise FixData(
            f"--test-end {_iso(end_ns)} (a trader's --end): the built-in market of this bundle "
            f"ends {_iso(int(market.close_ns[last]))}; give an earlier one"
        )
    return market.row_at(end_ns)


def first_row_of(start_ns: int, market: MarketData, bundle: Bundle) -> int:
    """Row of the first close to run on, where features are known.

    Raises:
        FixData: The start lies inside the span the bundle was trained on.
    """
    if start_ns <= instant_of(bundle, "train_end"):
        raise FixData(
            f"--start {_iso(start_ns)} lies inside the bundle's training span, which ends "
            f"{bundle.manifest['spans']['train_end']}: results there would flatter"
        )
    known = np.flatnonzero(market.complete.any(axis=1))
    first = int(known[0]) if known.size else market.n_bars
    return max(first, market.row_at(start_ns))


def _require_features(market: MarketData, bundle: Bundle) -> None:
    if market.feature_hash != bundle.feature_hash:
        load_bundle(bundle.folder, feature_hash=market.feature_hash)


def _iso(time_ns: int) -> str:
    return f"{np.datetime64(time_ns, 'ns').astype('datetime64[s]')}Z"
