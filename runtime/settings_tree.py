"""Every setting of every package, found in the metadata of the packages' own dataclasses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from agents.adviser_settings import MemorySettings, PerformanceSettings
from agents.deep.settings import DeepSettings
from agents.reinforcement.settings import ReinforcementSettings
from agents.settings import KellySettings, SizingSettings
from ensemble.settings import EnsembleSettings
from envs.core.settings import CoreSettings
from envs.market.settings import MarketSettings
from runtime.settings_live import LiveSettings
from runtime.settings_run import RunSettings
from runtime.settings_trading import TradingSettings
from runtime.settings_values import allowed

GROUPS: dict[str, type[Any]] = {
    "run": RunSettings,
    "core": CoreSettings,
    "market": MarketSettings,
    "ensemble": EnsembleSettings,
    "sizing": SizingSettings,
    "deep": DeepSettings,
    "kelly": KellySettings,
    "reinforcement": ReinforcementSettings,
    "trading": TradingSettings,
    "live": LiveSettings,
    "performance": PerformanceSettings,
    "memory": MemorySettings,
}
PREFIXES = (
    "QT_AI_", "QT_ESS_", "QT_AELM_", "QT_ENSEMBLE_", "RL_", "ORCH_", "MATH_", "REGIME_", "COST_",
    "RM_", "PERF_", "MEMORY_",
)  # fmt: skip
READ_ELSEWHERE = {
    "QT_DEMO_API_KEY": "key of the demo exchange (demo.binance.com); read where it is used only",
    "QT_DEMO_API_SECRET": "secret of that key; no run folder ever holds it",
    "QT_DEMO_API_KEY_FILE": "file (mode 600) with that key, in place of it",
    "QT_DEMO_API_SECRET_FILE": "file (mode 600) with that secret, in place of it",
    "QT_LIVE_API_KEY": "key of the live exchange; read with --venue live only, which is gated",
    "QT_LIVE_API_SECRET": "secret of that key",
    "QT_LIVE_API_KEY_FILE": "file (mode 600) with that key, in place of it",
    "QT_LIVE_API_SECRET_FILE": "file (mode 600) with that secret, in place of it",
    "QT_ALLOW_LIVE": "I_ACCEPT_THE_RISK lets --venue live ask for its typed confirmation; "
    "a file cannot set it",
    "QT_DATABASE_URL": "SQLAlchemy URL of the journal; without: SQLite in the state folder; "
    "no file holds it, as it may hold a password",
    "QT_DATABASE_URL_FILE": "file (mode 600) with QT_DATABASE_URL, in place of it",
    "QT_CACHE_DIR": "folder of computed votes; without: in the user's cache folder",
    "QT_KERNEL_CACHE_DIR": "folder of compiled code; without: in the user's cache folder",
    "QT_REAL_DATA": "folder of real bars for the tests that want them",
}
OPTIONS = {"sizing.learner": "--learner", "sizing.preset": "--preset", "sizing.reward": "--reward"}
SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "API_KEY", "DATABASE_URL")
_LIMITS = ("ge", "gt", "le", "lt", "choices", "pattern")


@dataclass(frozen=True)
class Variable:
    """One setting: where it lives, what it is called and what it may be.

    ``key`` is ``table.field`` of TOML files; ``env`` and ``option`` are empty where the setting has
    no variable or no option of its own.
    """

    key: str
    env: str
    option: str
    metavar: str
    kind: Any
    default: Any
    unit: str
    help: str
    limits: Mapping[str, Any]
    hashed: bool
    secret: bool

    @property
    def table(self) -> str:
        """Table of the TOML file."""
        return self.key.split(".")[0]

    @property
    def field(self) -> str:
        """Name inside the table, and in the dataclass."""
        return self.key.split(".")[1]

    @property
    def label(self) -> str:
        """Name for messages: the variable where there is one, else the option, else the key."""
        return self.env or self.option or self.key

    @property
    def allowed(self) -> str:
        """Say which values are taken."""
        return allowed(self.kind, self.limits)

    def shown(self, value: Any) -> str:
        """Show a value in a message, secrets masked."""
        return "***" if self.secret else repr(value)


@cache
def variables() -> tuple[Variable, ...]:
    """Every setting, in the order of the groups and their fields."""
    found: list[Variable] = []
    for table, group in GROUPS.items():
        found.extend(_of_group(table, group))
    repeated = {v.env for v in found if v.env and sum(w.env == v.env for w in found) > 1}
    if repeated:
        raise TypeError(f"variables declared twice: {sorted(repeated)}")
    return tuple(found)


def by_name() -> dict[str, Variable]:
    """Every name a setting answers to: key, variable, option and the option's argparse name."""
    names: dict[str, Variable] = {}
    for v in variables():
        for name in (v.key, v.env, v.option, v.option.removeprefix("--").replace("-", "_")):
            if name:
                names[name] = v
    return names


def build(values: Mapping[str, Any]) -> dict[str, Any]:
    """Make the groups' dataclasses from values by key."""
    return {table: _build_group(table, group, values) for table, group in GROUPS.items()}


def nearest(name: str, known: Iterable[str], limit: int = 1_000) -> str | None:
    """Return the known name closest in edit distance, none beyond ``limit``."""
    best = min(((edit_distance(name, k), k) for k in known), default=None)
    return best[1] if best and best[0] <= limit else None


def edit_distance(a: str, b: str) -> int:
    """Count the insertions, deletions, replacements and swaps of neighbours between two names."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        now = [i]
        for j, y in enumerate(b, 1):
            cost = min(row[j] + 1, now[j - 1] + 1, row[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            now.append(cost)
        before, row = row, now
    return row[-1]


def _of_group(table: str, group: type[Any]) -> list[Variable]:
    hints = get_type_hints(group)
    found: list[Variable] = []
    nested: list[Variable] = []
    for f in fields(group):
        if is_dataclass(hints[f.name]):
            nested.extend(_of_group(f.name, hints[f.name]))
            continue
        meta = f.metadata
        if "env" not in meta:
            continue
        key = f"{table}.{f.name}"
        env = meta["env"]
        found.append(
            Variable(
                key=key,
                env=env,
                option=meta.get("option", OPTIONS.get(key, "")),
                metavar=meta.get("metavar", ""),
                kind=hints[f.name],
                default=f.default,
                unit=meta["unit"],
                help=meta["help"],
                limits={k: meta[k] for k in _LIMITS if k in meta},
                hashed=meta.get("hashed", True),
                secret=meta.get("secret", any(w in env for w in SECRET_WORDS)),
            )
        )
    return found + nested


def _build_group(table: str, group: type[Any], values: Mapping[str, Any]) -> Any:
    hints = get_type_hints(group)
    arguments: dict[str, Any] = {}
    for f in fields(group):
        key = f"{table}.{f.name}"
        if is_dataclass(hints[f.name]):
            arguments[f.name] = _build_group(f.name, hints[f.name], values)
        elif key in values:
            arguments[f.name] = values[key]
    return group(**arguments)
