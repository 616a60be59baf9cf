"""The state folder: what a run was, how it is repeated, and whether it may be continued.

``run.json`` says what the state belongs to, ``config.toml`` every setting in force, and
``commands.txt`` each command that was given. None of them holds a key or a password.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from envs.artifact import atomic_write_text, code_version, file_digest, json_digest
from envs.core.errors import DamagedArtifact, FixInput, RefusedArtifact
from runtime.settings import Settings
from runtime.settings_tree import variables
from runtime.settings_values import render
from runtime.wiring.plan import TradePlan

RUN, CONFIG, COMMANDS = "run.json", "config.toml", "commands.txt"
JOURNAL, EXCHANGE, CHECKPOINTS, LOG = "journal.db", "exchange.journal", "agents", "log.jsonl"
_FORMAT = 1
_NAMES = {
    "bundle_digest": "the bundle's manifest",
    "settings_hash": "the settings",
    "venue": "--venue",
    "account": "the account",
    "symbols": "--symbols",
    "timeframe": "--timeframe",
    "data": "--data",
    "learn": "--learn/--no-learn",
    "lockstep": "--speed lockstep",
}


@dataclass(frozen=True)
class RunIdentity:
    """What a state belongs to: with another value its records would mean something else."""

    bundle_digest: str
    settings_hash: str
    venue: str
    account: str
    symbols: tuple[str, ...]
    timeframe: str
    data: str
    learn: bool
    lockstep: bool

    def to_json(self) -> dict[str, Any]:
        """As ``run.json`` holds it."""
        return {**asdict(self), "symbols": list(self.symbols)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> RunIdentity:
        """From ``run.json``."""
        values = {f.name: body[f.name] for f in fields(cls)}
        return cls(**{**values, "symbols": tuple(values["symbols"])})


def identity_of(plan: TradePlan) -> RunIdentity:
    """What a state that ``plan`` makes would belong to."""
    run = plan.settings.run
    has_data = plan.venue in ("sim", "local") and not plan.exchange_url
    data = run.data if run.is_synthetic else str(Path(run.data).expanduser().resolve())
    return RunIdentity(
        file_digest(plan.bundle / "manifest.json"), settings_hash(plan.settings), plan.venue,
        plan.account_name, run.symbols, run.timeframe, data if has_data else "", plan.learn,
        plan.lockstep,
    )  # fmt: skip


def settings_hash(settings: Settings) -> str:
    """SHA-256 of what shapes decisions; dates and lengths of a run do not."""
    return json_digest(_shaping(settings))


class StateFolder:
    """One run's folder.

    Attributes:
        path: the folder.
        resumed: whether it held a run's state before.
    """

    def __init__(self, path: Path, resumed: bool) -> None:
        self.path, self.resumed = path, resumed

    @property
    def journal_url(self) -> str:
        """SQLAlchemy URL of the journal where none other is given."""
        return f"sqlite:///{self.path / JOURNAL}"

    @property
    def checkpoints(self) -> Path:
        """Folder of the agents' checkpoints."""
        return self.path / CHECKPOINTS

    @property
    def exchange_journal(self) -> Path:
        """Journal of the local exchange that this run starts."""
        return self.path / EXCHANGE


def open_state(plan: TradePlan) -> StateFolder:
    """Make the folder, or check that it is a run's that ``plan`` may continue.

    Raises:
        RefusedArtifact: Its state belongs to something else; the message names the difference.
        FixInput: The folder cannot be written.
    """
    folder, identity = plan.state, identity_of(plan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise FixInput(f"--state {folder}: cannot be used: {error.strerror}") from error
    found = folder / RUN
    resumed = found.exists()
    if resumed:
        check_same(found, identity, plan.settings)
    elif any((folder / name).exists() for name in (JOURNAL, CHECKPOINTS)):
        raise RefusedArtifact(
            f"--state {folder}: holds a journal but no {RUN}, so nothing says what it belongs to: "
            "restore that file, or give another folder"
        )
    return StateFolder(folder, resumed)


def check_same(path: Path, identity: RunIdentity, settings: Settings) -> None:
    """Refuse a state that belongs to another bundle, account, market or other settings.

    Raises:
        RefusedArtifact: Naming what differs, both values, and what to do.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        version, was = body["format"], RunIdentity.from_json(body)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedArtifact(f"{path}: cannot be read ({error}): restore its copy") from error
    if version != _FORMAT:
        raise RefusedArtifact(f"{path}: format: expected {_FORMAT}, found {version}")
    differing = [f.name for f in fields(was) if getattr(was, f.name) != getattr(identity, f.name)]
    if not differing:
        return
    said = [
        f"{_NAMES[n]}: {_short(getattr(was, n))} then, {_short(getattr(identity, n))} now"
        for n in differing
    ]
    if "settings_hash" in differing:
        said += changed_settings(body.get("settings", {}), settings)
    raise RefusedArtifact(
        f"--state {path.parent}: belongs to another run: {'; '.join(said)}. Repeat the command "
        f"that stands last in {path.with_name(COMMANDS)}, or give a new --state"
    )


def changed_settings(then: Mapping[str, str], settings: Settings) -> list[str]:
    """Each setting that shaped a run and is another one now, with both values."""
    now = _shaping(settings)
    return [
        f"{key}: {then.get(key, 'unknown')} then, {now.get(key, 'unknown')} now"
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    ]


_FREE = frozenset({"start", "train_end", "test_end", "episodes", "quick", "symbols", "timeframe"})


def _shaping(settings: Settings) -> dict[str, str]:
    """Rendered values by key, without what ``RunIdentity`` names itself and what only times."""
    values = settings.values()
    return {
        v.key: render(values[v.key])
        for v in variables()
        if v.hashed and not v.secret and not (v.table == "run" and v.field in _FREE)
    }


def note_run(folder: Path, plan: TradePlan) -> None:
    """Write down what the state belongs to, its settings, and the command; under the run's lock."""
    identity = identity_of(plan)
    run = {"format": _FORMAT, **identity.to_json(), "bundle": str(plan.bundle.resolve()),
           "journal": plan.journal, "code_version": code_version(),
           "settings": _shaping(plan.settings)}  # fmt: skip
    atomic_write_text(folder / RUN, json.dumps(run, indent=2, sort_keys=True) + "\n")
    atomic_write_text(folder / CONFIG, plan.settings.resolved_toml())
    commands = folder / COMMANDS
    before = commands.read_text(encoding="utf-8") if commands.exists() else ""
    atomic_write_text(commands, before + plan.command + "\n")


def _short(value: Any) -> str:
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return text[:12] if len(text) == 64 else text or repr(text)
