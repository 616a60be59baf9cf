"""What the core makes of one synthetic market, pinned: counts, money and schemas.

Integers and texts must be equal. Floats may differ by the last bits of another libm. After a wanted
change of the rules renew with ``python -m pytest tests/golden --renew-golden`` and commit the
difference with its reason.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.baselines import RandomPolicy, fixed_1x
from envs.artifact import json_digest, save_artifact
from envs.core.actions import PRESETS, preset
from envs.core.decide import Brain, Desk, decide
from envs.core.hooks import HookChain
from envs.core.rules.state import N_STATES, decode_state
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade
from envs.core.world import Resolved, World
from envs.defaults import default_environment_data
from envs.market.features import feature_names, schema_hash
from envs.observe import observe

GOLDEN = Path(__file__).with_name("golden.json")
N_BARS, SEED, N_OBSERVED = 2_500, 11, 200
FULL = preset("full")


def close_enough(want: Any, have: Any) -> bool:
    if isinstance(want, float) and isinstance(have, float):
        return have == pytest.approx(want, rel=1e-9, abs=1e-9)
    return type(want) is type(have) and bool(want == have)


def flat(value: Any, where: str = "") -> dict[str, Any]:
    """Every leaf by its dotted name."""
    if isinstance(value, dict):
        return {k: v for n, x in value.items() for k, v in flat(x, f"{where}.{n}").items()}
    return {where.lstrip("."): value}


def compare(section: str, have: dict[str, Any], request: pytest.FixtureRequest) -> None:
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if request.config.getoption("--renew-golden", default=False):
        golden[section] = have
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
        return
    want, got = flat(golden.get(section, {})), flat(have)
    wrong = [
        f"{section}.{name}: golden {want.get(name)!r}, now {got.get(name)!r}"
        for name in sorted({*want, *got})
        if not close_enough(want.get(name), got.get(name))
    ]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def played(brain: Brain) -> dict[str, Any]:
    """One episode of an agent over the whole market."""
    market, tape, _ = default_environment_data(N_BARS, SEED)
    settings = CoreSettings()
    world = World(prepare(market, settings), settings, int(np.argmax(market.complete.all(axis=1))))
    desk = Desk(world, tape, FULL, settings)
    rng = np.random.default_rng(SEED)
    resolved: list[Resolved] = []
    seen: list[np.ndarray[Any, Any]] = []
    candidates = 0
    while not world.done:
        for s in desk.candidates():
            candidates += 1
            view = desk.view(s)
            if len(seen) < N_OBSERVED:
                seen.append(observe(world, view))
            if view.executable:
                desk.commit(view, decide(view, brain, HookChain(), rng))
        resolved += world.advance()
    resolved += world.finish()
    trades = [r.outcome for r in resolved if isinstance(r.outcome, ClosedTrade)]
    account = world.account
    return {
        "candidates": candidates,
        "trades": len(trades),
        "legs": sum(len(t.legs) for t in trades),
        "reasons": dict(sorted(Counter(t.reason.name for t in trades).items())),
        "cash_units": account.cash_units,
        "fee_units": sum(t.fee_units for t in trades),
        "funding_units": sum(t.funding_units for t in trades),
        "r_net": float(np.sum([t.r_net for t in trades])),
        "trades_digest": json_digest([whole_numbers(t) for t in trades]),
        "ledger_digest": json_digest(
            [[e.time_ns, e.symbol, e.kind.name, e.units] for e in account.ledger]
        ),
        "observations": observed(np.stack(seen)),
    }


def whole_numbers(t: ClosedTrade) -> list[Any]:
    return [
        t.decision_id, t.side, t.entry_ns, t.exit_ns, t.entry_ticks, t.stop0_ticks, t.qty_steps,
        t.leverage, t.exit_strategy, t.reason.name, t.net_units, t.fee_units, t.funding_units,
        [[leg.time_ns, leg.price_ticks, leg.qty_steps, leg.gross_units] for leg in t.legs],
    ]  # fmt: skip


def observed(rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Shape and moments; a digest of float32 bits would hang on the libm of the machine."""
    weight = np.arange(1.0, rows.shape[1] + 1.0)
    return {
        "shape": list(rows.shape),
        "sum": round(float(rows.astype(np.float64).sum()), 3),
        "weighted": round(float((rows.astype(np.float64) * weight).mean()), 3),
        "one_hot_digest": json_digest(np.flatnonzero(rows[:, :17]).tolist()),
    }


def test_fixed_1x(request: pytest.FixtureRequest) -> None:
    compare("fixed_1x", played(fixed_1x(FULL)), request)


def test_random_agent(request: pytest.FixtureRequest) -> None:
    compare("random", played(RandomPolicy(FULL, 0.7, SEED)), request)


def test_schemas(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = save_artifact(
        tmp_path / "a.json", schema_name="s", schema_version=1, payload={"a": 1},
        arrays={"x": np.zeros(1)},
    )  # fmt: skip
    names = feature_names()
    have = {
        "features": len(names),
        "feature_hash": schema_hash(names),
        "states_digest": json_digest([list(decode_state(i)) for i in range(N_STATES)]),
        "envelope": sorted(json.loads(path.read_text())),
        "presets": {
            name: json_digest([p.label(i) for i in range(p.n)]) for name, p in PRESETS.items()
        },
    }
    compare("schemas", have, request)
