"""Settings the trading world needs, one frozen dataclass a group; defaults are spec section 14.

The core never reads the environment: ``runtime.settings`` assembles these from files, variables
and options, and checks their ranges. ``metadata`` carries the variable's name, unit and range, so
``--help``, the settings table and the validation have one source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from envs.core.types import EntryStyle, EntryUnfilled, IntrabarRule


def setting(default: Any, env: str, unit: str, help_: str, **limits: Any) -> Any:
    """Declare a field with its variable name, unit, help and limits (ge, gt, le, lt, choices)."""
    metadata = {"env": env, "unit": unit, "help": help_, **limits}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class CostSettings:
    """Fees, slippage, funding and liquidation (spec 4)."""

    maker_fee: float = setting(
        0.0002,
        "COST_MAKER_FEE",
        "frac",
        "maker fee of fill notional, negative = rebate",
        gt=-0.01,
        lt=0.05,
    )
    taker_fee: float = setting(
        0.0004, "COST_TAKER_FEE", "frac", "taker fee of fill notional", ge=0.0, lt=0.05
    )
    slippage_min_bps: float = setting(
        2.0, "COST_SLIPPAGE_MIN_BPS", "bps", "slippage of a calm market", ge=0.0, le=100.0
    )
    slippage_max_bps: float = setting(
        5.0, "COST_SLIPPAGE_MAX_BPS", "bps", "slippage of an extreme market", ge=0.0, le=100.0
    )
    impact_coef: float = setting(
        0.0, "COST_IMPACT_COEF", "factor", "market impact on sqrt(qty/ADV)", ge=0.0, le=10.0
    )
    funding_rate: float = setting(
        0.0001,
        "COST_FUNDING_RATE",
        "frac",
        "rate at 00, 08, 16 UTC inside funding holes",
        ge=-0.05,
        le=0.05,
    )
    liquidation_fee: float = setting(
        0.0125, "COST_LIQUIDATION_FEE", "frac", "fee of notional at liquidation", ge=0.0, le=0.1
    )
    default_mmr: float = setting(
        0.004,
        "COST_DEFAULT_MMR",
        "frac",
        "maintenance margin where no bracket is known",
        gt=0.0,
        lt=0.5,
    )


@dataclass(frozen=True)
class PlanSettings:
    """The sizing plan (spec 7)."""

    risk_per_trade: float = setting(
        0.02, "MATH_RISK_PER_TRADE", "frac", "equity at risk at the stop", gt=0.0, le=0.2
    )
    max_margin: float = setting(
        0.10, "MATH_MAX_MARGIN", "frac", "planned margin of equity", gt=0.0, le=1.0
    )
    leverage: int = setting(3, "MATH_LEVERAGE", "x", "largest planned leverage", ge=1, le=125)
    sl_atr: float = setting(1.5, "MATH_SL_ATR", "factor", "stop in ATRs (math_ai)", gt=0.0, le=10.0)
    tp_sl: float = setting(
        2.0, "MATH_TP_SL", "factor", "target in stops (math_ai)", gt=0.0, le=10.0
    )
    vol_scaling: bool = setting(True, "MATH_VOL_SCALING", "bool", "inverse-volatility margin")
    liq_buffer: float = setting(
        2.0, "MATH_LIQ_BUFFER", "x stop distance", "least liquidation distance", ge=1.0, le=10.0
    )


@dataclass(frozen=True)
class RiskSettings:
    """Hard limits and position lifecycle (spec 9, 10.3)."""

    max_risk_per_trade: float = setting(
        0.02, "RM_MAX_RISK_PER_TRADE", "frac", "risk of one trade of equity", gt=0.0, le=0.2
    )
    max_total_risk: float = setting(
        0.10, "RM_MAX_TOTAL_RISK", "frac", "sum of risks at stops of equity", gt=0.0, le=1.0
    )
    max_positions: int = setting(10, "RM_MAX_POSITIONS", "count", "open positions", ge=1, le=1000)
    max_leverage: int = setting(5, "RM_MAX_LEVERAGE", "x", "leverage of a position", ge=1, le=125)
    max_position_margin: float = setting(
        0.15,
        "QT_AI_PBA_MAX_SINGLE_POSITION",
        "frac",
        "margin of one position of equity",
        gt=0.0,
        le=1.0,
    )
    max_gross: float = setting(
        5.0, "QT_AI_PBA_MAX_PORTFOLIO_LEVERAGE", "x equity", "gross notional", gt=0.0, le=125.0
    )
    min_order_quote: float = setting(
        10.0, "RM_MIN_ORDER_QUOTE", "quote", "smallest order", ge=0.0, le=1e6
    )
    breakeven_at_r: float = setting(
        1.0, "RM_BREAKEVEN_AT_R", "R", "stop to break-even from", gt=0.0, le=10.0
    )
    partial_fraction: float = setting(
        0.5, "RM_PARTIAL_FRACTION", "frac", "closed at the partial level", gt=0.0, le=1.0
    )
    trail_atr: float = setting(1.0, "RM_TRAIL_ATR", "ATR", "trailing distance", gt=0.0, le=10.0)
    min_stop_gap: float = setting(
        0.0005,
        "RM_MIN_STOP_GAP",
        "frac of price",
        "least distance of a new stop from mark",
        ge=0.0,
        le=0.1,
    )
    time_exit_min_r: float = setting(
        0.5, "RM_TIME_EXIT_MIN_R", "R", "time exit only below", ge=-10.0, le=10.0
    )
    max_daily_dd: float = setting(
        0.05, "QT_AI_MAX_DAILY_DD", "frac", "daily drawdown that brakes", gt=0.0, lt=1.0
    )
    max_open_dd: float = setting(
        0.10, "QT_AI_MAX_OPEN_DD", "frac", "open loss that closes all", gt=0.0, lt=1.0
    )
    dd_warning: float = setting(
        0.02, "QT_AI_SELF_HEALING_DD_WARNING", "frac", "daily drawdown that warns", gt=0.0, lt=1.0
    )
    dd_stop: float = setting(
        0.03, "QT_AI_SELF_HEALING_DD_STOP", "frac", "daily drawdown without entries", gt=0.0, lt=1.0
    )


@dataclass(frozen=True)
class EssSettings:
    """Emergency stop states in event time (spec 10.4)."""

    max_total_dd: float = setting(
        0.25,
        "QT_ESS_MAX_TOTAL_DD",
        "frac",
        "drawdown from the peak that closes all",
        gt=0.0,
        lt=1.0,
    )
    max_stops_15m: int = setting(
        10, "QT_ESS_MAX_STOPS_15M", "count", "stop hits in 15 min tolerated", ge=1, le=1000
    )
    cooldown_l1_s: int = setting(900, "QT_ESS_COOLDOWN_L1_S", "s", "cool-down, level 1", ge=0)
    cooldown_l2_s: int = setting(3600, "QT_ESS_COOLDOWN_L2_S", "s", "cool-down, level 2", ge=0)
    cooldown_l3_s: int = setting(14400, "QT_ESS_COOLDOWN_L3_S", "s", "cool-down, level 3", ge=0)
    recovery_trades: int = setting(
        5, "QT_ESS_RECOVERY_TRADES", "count", "closed trades that end recovery", ge=1
    )
    recovery_h: float = setting(6.0, "QT_ESS_RECOVERY_H", "h", "or hours", gt=0.0)
    recovery_size: float = setting(
        0.25, "QT_ESS_RECOVERY_SIZE", "factor", "size while recovering", gt=0.0, le=1.0
    )


@dataclass(frozen=True)
class EntrySettings:
    """How and when entries are sent (spec 8.0, 9.0)."""

    style: EntryStyle = setting(
        EntryStyle.MARKET, "QT_ENTRY_STYLE", "market, post_only", "entry order"
    )
    unfilled: EntryUnfilled = setting(
        EntryUnfilled.LAPSE, "QT_ENTRY_UNFILLED", "lapse, market", "post-only entry not filled"
    )
    cooldown_s: int = setting(
        300, "QT_ENTRY_COOLDOWN_S", "s per symbol", "between entry fills", ge=0, le=86_400
    )
    intrabar: IntrabarRule = setting(
        IntrabarRule.PATH, "QT_INTRABAR_RULE", "path, pessimistic, detail", "inside of a bar"
    )


@dataclass(frozen=True)
class SignalSettings:
    """Vote and candidate rule (spec 5.2, 8.0)."""

    quorum: int = setting(2, "QT_ENSEMBLE_QUORUM", "models", "valid models needed", ge=1, le=4)
    min_consensus: str = setting(
        "weak",
        "QT_ENSEMBLE_MIN_CONSENSUS",
        "weak, medium, strong",
        "consensus needed",
        choices=("weak", "medium", "strong"),
    )
    horizon_bars: int = setting(8, "QT_HORIZON", "bars", "label horizon", ge=1, le=48)
    min_edge: float = setting(
        0.15,
        "QT_CANDIDATE_MIN_EDGE",
        "EV/round-trip cost",
        "edge worth a decision",
        ge=0.0,
        le=10.0,
    )
    top: float = setting(
        0.20, "QT_CANDIDATE_TOP", "frac of trailing bars", "or among the top", ge=0.0, le=1.0
    )
    min_confidence: float = setting(
        0.0, "QT_MIN_CONFIDENCE", "EV/round-trip cost", "confidence threshold", ge=0.0, le=0.95
    )


@dataclass(frozen=True)
class CoreSettings:
    """Everything the rules of the world depend on."""

    costs: CostSettings = CostSettings()
    plan: PlanSettings = PlanSettings()
    risk: RiskSettings = RiskSettings()
    ess: EssSettings = EssSettings()
    entry: EntrySettings = EntrySettings()
    signal: SignalSettings = SignalSettings()
    start_equity_quote: float = setting(
        10_000.0, "QT_START_EQUITY", "quote", "equity at the start of an episode", gt=0.0, le=9e7
    )
    ruin_fraction: float = 0.20
