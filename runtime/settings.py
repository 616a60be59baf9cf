"""The settings tree: defaults < TOML file < environment variables < command line (spec 0, 14).

Each package declares its own group as a frozen dataclass; this module finds them, lays the four
sources over each other and refuses what is unknown, out of range or contradictory.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, create_model
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from agents.adviser_settings import MemorySettings, PerformanceSettings
from agents.deep.settings import QUICK_TIMESTEPS, DeepSettings
from agents.reinforcement.settings import ReinforcementSettings
from agents.settings import KellySettings, SizingSettings
from ensemble.settings import EnsembleSettings
from envs.artifact import json_digest
from envs.core.errors import FixSettings
from envs.core.settings import CoreSettings
from envs.market.settings import MarketSettings
from runtime.settings_checks import contradictions
from runtime.settings_live import LiveSettings
from runtime.settings_run import QUICK_EPISODES, RunSettings
from runtime.settings_trading import TradingSettings
from runtime.settings_tree import (
    PREFIXES,
    READ_ELSEWHERE,
    Variable,
    build,
    by_name,
    nearest,
    variables,
)
from runtime.settings_values import check_limits, parse, render

__all__ = ["RunSettings", "Settings", "load_settings"]


@dataclass(frozen=True)
class Settings:
    """Everything a run may be told, checked, as the packages' own frozen dataclasses."""

    run: RunSettings = field(default_factory=RunSettings)
    core: CoreSettings = field(default_factory=CoreSettings)
    market: MarketSettings = field(default_factory=MarketSettings)
    ensemble: EnsembleSettings = field(default_factory=EnsembleSettings)
    sizing: SizingSettings = field(default_factory=SizingSettings)
    deep: DeepSettings = field(default_factory=DeepSettings)
    kelly: KellySettings = field(default_factory=KellySettings)
    reinforcement: ReinforcementSettings = field(default_factory=ReinforcementSettings)
    trading: TradingSettings = field(default_factory=TradingSettings)
    live: LiveSettings = field(default_factory=LiveSettings)
    performance: PerformanceSettings = field(default_factory=PerformanceSettings)
    memory: MemorySettings = field(default_factory=MemorySettings)

    def values(self) -> dict[str, Any]:
        """Every setting's value by TOML key, in the order of the tables."""
        found: dict[str, Any] = {}
        for v in variables():
            top = getattr(self, v.table, None)
            group = top if top is not None else getattr(self.core, v.table)
            found[v.key] = getattr(group, v.field)
        return found

    def resolved_toml(self) -> str:
        """TOML text of every value in force; given back with ``--config`` it means the same."""
        lines = ["# Every setting in force. The names of the variables: docs/settings.md"]
        table, values = "", self.values()
        for v in variables():
            value = values[v.key]
            if v.table != table:
                table = v.table
                lines += ["", f"[{table}]"]
            if value is not None:
                lines.append(f"{v.field} = {_toml(value)}  # {v.unit}")
        return "\n".join(lines) + "\n"

    def config_hash(self) -> str:
        """SHA-256 (hex) of all values that shape a result: places and ``resume`` are left out."""
        known = {v.key for v in variables() if v.hashed}
        values = {k: render(x) for k, x in self.values().items() if k in known}
        values["run.data"] = "synthetic" if self.run.is_synthetic else "folder"
        return json_digest(values)


def load_settings(
    argv_options: Mapping[str, Any] | None = None,
    toml_path: Path | str | None = None,
    environ: Mapping[str, str] | None = None,
    base_toml: Path | str | None = None,
) -> Settings:
    """Read, overlay and check all settings.

    ``argv_options`` maps an option (``train_end``), a variable (``RL_SIZING_ALPHA``) or a TOML key
    to its value; None means not given; ``set`` may hold ``NAME=VALUE`` texts. ``environ`` is the
    environment to read, none by default: the caller hands ``os.environ`` over. ``base_toml`` lies
    beneath all other sources: a bundle's own settings, where one is traded.

    Raises:
        FixSettings: A name is unknown, a value outside its range, or two settings contradict each
            other; the message names variable, value, source and what is allowed (exit code 2).
    """
    layers = [
        ("command line", _from_options(argv_options or {})),
        ("environment", _from_environment(environ or {})),
        (str(toml_path), _from_toml(Path(toml_path)) if toml_path is not None else {}),
        (str(base_toml), _from_toml(Path(base_toml)) if base_toml is not None else {}),
    ]
    values = _validated(layers)
    given = {key for _, layer in layers for key in layer}
    if values["run.quick"] and "run.episodes" not in given:
        values["run.episodes"] = QUICK_EPISODES
    if values["run.quick"] and "deep.timesteps" not in given:
        values["deep.timesteps"] = QUICK_TIMESTEPS
    problems = list(contradictions(values))
    if problems:
        raise FixSettings("\n".join(problems))
    return Settings(**build(values))


def replace_run(settings: Settings, **changes: Any) -> Settings:
    """Return the settings with fields of the run group replaced, unchecked."""
    return replace(settings, run=replace(settings.run, **changes))


def _from_options(options: Mapping[str, Any]) -> dict[str, Any]:
    names = by_name()
    found: dict[str, Any] = {}
    pairs = [(name, value) for name, value in options.items() if name != "set"]
    for text in _texts(options.get("set")):
        name, separator, value = text.partition("=")
        if not separator:
            raise FixSettings(f"--set {text}: expected NAME=VALUE")
        pairs.append((name.strip(), value.strip()))
    for name, value in pairs:
        if name not in names:
            raise FixSettings(f"unknown option {name}{_hint(name, names)}")
        if value is None:
            continue
        key = names[name].key
        if key in found and found[key] != value:
            raise FixSettings(f"{names[name].label} is given twice on the command line")
        found[key] = value
    return found


def _texts(value: Sequence[str] | None) -> Sequence[str]:
    return () if value is None else value


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    listed = {v.env: v for v in variables() if v.env}
    found: dict[str, Any] = {}
    for name, value in environ.items():
        if name in listed:
            found[listed[name].key] = value
        elif name in READ_ELSEWHERE:
            continue
        elif name.startswith(PREFIXES):
            raise FixSettings(f"unknown environment variable {name}{_hint(name, listed)}")
        elif name.startswith("QT_"):
            # Also a widespread toolkit's prefix, so only a likely slip is refused.
            near = nearest(name, listed, limit=2)
            if near is not None:
                raise FixSettings(f"unknown environment variable {name}: did you mean {near}?")
    return found


def _from_toml(path: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FixSettings(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FixSettings(f"{path}: is not valid TOML: {error}") from error
    keys = {v.key for v in variables()}
    found: dict[str, Any] = {}
    for table, content in tables.items():
        entries = content.items() if isinstance(content, dict) else [("", content)]
        for name, value in entries:
            key = f"{table}.{name}" if name else table
            if key not in keys:
                raise FixSettings(f"{path}: unknown key {key}{_hint(key, keys)}")
            found[key] = value
    return found


def _hint(name: str, known: Any) -> str:
    near = nearest(name, known, limit=4)
    return f": did you mean {near}?" if near else ": see docs/settings.md for all names"


def _validated(layers: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    fields = {_attribute(v.key): v for v in variables()}
    tree = _model(fields, [{_attribute(k): x for k, x in layer.items()} for _, layer in layers])
    try:
        checked = tree()
    except ValidationError as error:
        names = dict.fromkeys(str(e["loc"][0]) for e in error.errors())
        raise FixSettings("\n".join(_refusal(fields[n], layers) for n in names)) from None
    return {v.key: getattr(checked, name) for name, v in fields.items()}


def _attribute(key: str) -> str:
    return key.replace(".", "__")


def _model(fields: Mapping[str, Variable], layers: list[dict[str, Any]]) -> type[BaseSettings]:
    class Layered(BaseSettings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(InitSettingsSource(settings_cls, layer) for layer in layers)

    definitions: dict[str, Any] = {
        name: (Annotated[Any, *_validators(v)], Field(default=v.default))
        for name, v in fields.items()
    }
    return create_model("Tree", __base__=Layered, **definitions)


def _validators(variable: Variable) -> tuple[Any, ...]:
    def convert(raw: Any) -> Any:
        try:
            return parse(variable.kind, raw)
        except TypeError as error:
            raise ValueError(str(error)) from error

    def within(value: Any) -> Any:
        check_limits(value, variable.limits)
        return value

    return BeforeValidator(convert), AfterValidator(within)


def _refusal(variable: Variable, layers: list[tuple[str, dict[str, Any]]]) -> str:
    for source, layer in layers:
        if variable.key in layer:
            shown = variable.shown(layer[variable.key])
            return f"{variable.label} = {shown} ({source}): must be {variable.allowed}"
    return f"{variable.label}: its default is not {variable.allowed}"


def _toml(value: Any) -> str:
    if isinstance(value, bool | int | float) and not hasattr(value, "name"):
        return str(value).lower() if isinstance(value, bool) else repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    text = render(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
