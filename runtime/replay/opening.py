"""The state of a run, opened to be read: its journal, bundle, settings and agents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.artifact import file_digest
from envs.core.errors import FixInput, RefusedArtifact
from runtime.bundle import Bundle, load_bundle
from runtime.journal.sql_journal import SqlJournal
from runtime.learning.checkpoints import Checkpoints
from runtime.settings import Settings, load_settings
from runtime.store.addresses import database_url
from runtime.store.database import open_database

RUN, BAR = "run", "bar"
CONFIG, CHECKPOINTS = "config.toml", "agents"


@dataclass(frozen=True)
class Subject:
    """What is replayed.

    ``whole``: the journal holds every bar and label (level ``full``); ``learned`` what the run's
    agents learned, False where learning was off.
    """

    journal: SqlJournal
    bundle: Bundle
    settings: Settings
    checkpoints: Checkpoints | None
    run: dict[str, Any]
    whole: bool

    @property
    def learned(self) -> bool:
        """Whether the run's agents learned."""
        return bool(self.run.get("learn", True)) and self.settings.live.sizing_enabled


@contextmanager
def open_subject(
    state: str, bundle: str | None = None, config: str | None = None, configured_url: str = ""
) -> Iterator[Subject]:
    """Open a state for reading.

    Args:
        state: folder of a run, or URL of its journal.
        bundle: folder of the bundle where it is no longer where the run found it.
        config: settings of the run; by default ``config.toml`` of the folder.
        configured_url: ``QT_DATABASE_URL``, for a folder whose journal is elsewhere.

    Raises:
        FixInput: No such state, or nothing to start from; the message says what to give.
        RefusedArtifact: The bundle is not the one the run used.
    """
    folder = None if "://" in state else Path(state).expanduser()
    if folder is not None and not folder.is_dir():
        raise FixInput(f"--state {state}: no such folder; give the folder or URL of a run")
    database = open_database(
        database_url(state if folder is None else folder, configured_url), create=False,
        writable=False, threaded=False,
    )  # fmt: skip
    try:
        journal = SqlJournal(database)
        run = _run_of(journal, database.name)
        settings = load_settings(toml_path=_config_of(folder, config))
        found = _bundle_of(run, bundle)
        checkpoints = None
        if folder is not None and (folder / CHECKPOINTS).is_dir():
            checkpoints = Checkpoints(folder / CHECKPOINTS)
        whole = next(iter(journal.read({BAR})), None) is not None
        yield Subject(journal, found, settings, checkpoints, run, whole)
    finally:
        database.close()


def _run_of(journal: SqlJournal, name: str) -> dict[str, Any]:
    entry = next(iter(journal.read({RUN})), None)
    if entry is None:
        raise FixInput(f"{name}: no run was ever started on this journal: nothing to replay")
    return dict(entry.body)


def _config_of(folder: Path | None, config: str | None) -> Path:
    if config is not None:
        given = Path(config).expanduser()
        return given / CONFIG if given.is_dir() else given
    if folder is None:
        raise FixInput(
            "--state is the URL of a journal, which holds no settings: give --config with the "
            f"run's {CONFIG}, or the run's folder as --state with QT_DATABASE_URL set"
        )
    if not (folder / CONFIG).is_file():
        raise FixInput(f"{folder / CONFIG}: missing: give --config with the settings of the run")
    return folder / CONFIG


def _bundle_of(run: dict[str, Any], given: str | None) -> Bundle:
    folder = Path(given or str(run.get("bundle", ""))).expanduser()
    if not (folder / "manifest.json").is_file():
        raise FixInput(f"{folder}: the bundle of this run is not there: give its folder (--bundle)")
    expected, found = run.get("bundle_digest"), file_digest(folder / "manifest.json")
    if expected != found:
        raise RefusedArtifact(
            f"{folder}: not the bundle of this run: manifest expected {expected}, found {found}"
        )
    return load_bundle(folder)
