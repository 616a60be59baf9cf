"""Settings that act in the live runtime alone; training reads none of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from envs.core.settings import setting


@dataclass(frozen=True)
class LiveSettings:
    """Who sizes, where learning state is kept, and what stops and restarts trading."""

    sizing_enabled: bool = setting(
        True,
        "RL_SIZING_ENABLED",
        "bool",
        "false = the mathematician alone sizes and nothing is learned; "
        "the training programs train always",
        hashed=False,
    )
    sizing_mode: str = setting(
        "agent",
        "RL_SIZING_MODE",
        "agent, math_ai",
        "the trained agent sizes beneath the mathematician's caps, or the "
        "mathematician does; the training programs train the agent always",
        choices=("agent", "math_ai"),
        hashed=False,
    )
    sizing_exploration: str = setting(
        "none",
        "RL_SIZING_LIVE_EXPLORATION",
        "none, epsilon, ucb, thompson",
        "random trades, never larger than the greedy one",
        choices=("none", "epsilon", "ucb", "thompson"),
        hashed=False,
    )
    sizing_path: Path = setting(
        Path("data/sizing.json"),
        "RL_SIZING_CHECKPOINT_PATH",
        "path",
        "state of the sizing agent; training writes into its run folder",
        hashed=False,
    )
    kelly_cap: str = setting(
        "auto",
        "MATH_KELLY_CAP",
        "auto, true, false",
        "Kelly caps the mathematician's risk; auto: with RL_SIZING_MODE=math_ai; in "
        "training only the row fractional kelly uses Kelly",
        choices=("auto", "true", "false"),
        hashed=False,
    )
    reinforcement_path: Path = setting(
        Path("data/reinforcement.json"),
        "RL_CHECKPOINT_PATH",
        "path",
        "state of the manager; training writes it into the bundle",
        hashed=False,
    )
    reinforcement_interval_s: int = setting(
        60, "RL_CHECKPOINT_INTERVAL", "s", "between two saved states", ge=1, le=86_400, hashed=False
    )
    ess_auto_ack: str = setting(
        "auto",
        "QT_ESS_AUTO_ACK",
        "auto, true, false",
        "go on after a stop without an operator; auto: in sim and parity; the "
        "environments always do",
        choices=("auto", "true", "false"),
        hashed=False,
    )
    ess_ack_from_level: int = setting(
        2,
        "QT_ESS_ACK_FROM_LEVEL",
        "level",
        "stops from this level on wait for an operator",
        ge=1,
        le=3,
        hashed=False,
    )
    ess_max_engine_errors: int = setting(
        5,
        "QT_ESS_MAX_ENGINE_ERRORS",
        "count",
        "engine errors in a row that stop entries",
        ge=1,
        le=1000,
        hashed=False,
    )
    ess_feed_timeout_s: float = setting(
        60.0,
        "QT_ESS_FEED_TIMEOUT_S",
        "s",
        "silence of the market feed that stops entries",
        gt=0.0,
        le=3600.0,
        hashed=False,
    )
    emergency_brake: bool = setting(
        False,
        "QT_AI_EMERGENCY_BRAKE",
        "bool",
        "start stopped at level 2; false again does not release it, "
        "`python -m runtime ess ack` does",
        hashed=False,
    )
