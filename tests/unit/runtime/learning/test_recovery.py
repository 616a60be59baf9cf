"""Cut anywhere: the checkpoint and the journal after it make what an unbroken run has learned."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.adviser_settings import MemorySettings, PerformanceSettings
from agents.baselines import fixed_1x
from agents.memory.manager import MemoryStateManager
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.symbol_performance import SymbolPerformanceManager
from envs.core.errors import DamagedArtifact, RefusedArtifact
from envs.core.settings import CoreSettings
from runtime.journal.bodies import resolved_of
from runtime.journal.entries import Entry
from runtime.journal.memory_journal import MemoryJournal
from runtime.kernel_ports import Record
from runtime.learning.checkpoints import MANIFEST, Checkpoints
from runtime.learning.learning import OnlineLearning
from runtime.learning.recovery import decision_reader, recover
from runtime.learning.saved import content_digest_of
from runtime.signals.label_rows import LabelRows
from runtime.trading import records
from tests.unit.runtime.learning.learning_markets import Run, TapeSignals, period_of

BARS, EVERY = 260, 60


def fresh(
    folder: Path | None, sizing: SizingSettings | None = None,
    tell: Callable[[Record], None] | None = None,
) -> OnlineLearning:  # fmt: skip
    """Everything that learns, as a run begins with it."""
    period = period_of(CoreSettings())
    agent = CounterfactualAgent(period.preset, sizing or SizingSettings())
    checkpoints = None if folder is None else Checkpoints(folder)
    return OnlineLearning(
        TapeSignals(period), period.settings, agent, reward="log_growth",
        advisers=(
            SymbolPerformanceManager(PerformanceSettings()), MemoryStateManager(MemorySettings()),
        ),
        checkpoints=checkpoints, every=EVERY, tell=tell,
    )  # fmt: skip


def digests(learning: OnlineLearning, folder: Path) -> dict[str, str]:
    """Content of every file a checkpoint would have."""
    out = {}
    for part in learning.parts:
        path = folder / f"{part.name}.json"
        part.save(path)
        out[part.name] = content_digest_of(path)
    return out


@dataclass
class Cut:
    """A journal of which only the records up to a number were committed."""

    whole: MemoryJournal
    last_seq: int

    def read(self, kinds: Collection[str] | None = None, after: int = 0) -> Iterator[Entry]:
        return (e for e in self.whole.read(kinds, after) if e.seq <= self.last_seq)

    def record(self, kind: str, key: str) -> Entry | None:
        return self.whole.record(kind, key)


@dataclass
class Lived:
    """An unbroken run: its journal, and what was learned when, with the checkpoints of then."""

    journal: MemoryJournal = field(default_factory=MemoryJournal)
    learned: dict[int, dict[str, str]] = field(default_factory=dict)
    folders: dict[int, Path] = field(default_factory=dict)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Trade, journal and learn for a while, as the kernel does it."""
    place, out = tmp_path_factory.mktemp("lived"), Lived()
    period = period_of(CoreSettings())
    learning = fresh(place / "agents", tell=out.journal.add)
    signals = learning._signals
    assert isinstance(signals, TapeSignals)
    labels = LabelRows(period.data.market, period.votes)
    run = Run(period, signals, fixed_1x(period.preset), learning)
    journal, world = out.journal, run.world
    journal.add(records.bar_record(world.now_ns, ()))

    async def live() -> None:
        for _ in range(BARS):
            signals.receive(world.now_ns)
            ended = labels.ending(world.row, world.row + 1)
            if ended:
                journal.add(records.labels_record(world.now_ns, ended))
            resolved = learning.due(world.row)
            for r in resolved:
                journal.add(records.resolved_record(world.now_ns, r))
            await journal.commit()
            learning.learn_labels(ended)
            learning.learn(resolved)
            saved = learning.checkpoint(journal.last_seq)
            if saved or not out.folders:
                out.folders[journal.last_seq] = place / f"then-{journal.last_seq}"
                shutil.copytree(place / "agents", out.folders[journal.last_seq])
            if world.row % 13 == 0 or saved:
                out.learned[journal.last_seq] = digests(learning, place)
            before = set(run.decided)
            run.decide()
            for name in run.decided:
                if name not in before:
                    journal.add(records.decision_record(*run.decided[name]))
            await journal.commit()
            for r in world.advance():
                learning.outcome(r.decision, r.outcome)

    asyncio.run(asyncio.wait_for(live(), 120))
    return out


def agents_at(lived: Lived, seq: int, folder: Path) -> Path:
    """The checkpoints that stood when a record was written."""
    shutil.copytree(lived.folders[max(s for s in lived.folders if s <= seq)], folder)
    return folder


def test_the_run_learns_and_saves(lived: Lived) -> None:
    kinds = {e.kind for e in lived.journal.read()}
    assert kinds == {"bar", "labels", "regimes", "resolved", "decision", "checkpoint"}
    assert len(lived.learned) > 15
    assert len(lived.folders) > 4
    assert len({d["sizing"] for d in lived.learned.values()}) > 10
    assert len({d["reinforcement"] for d in lived.learned.values()}) > 10
    assert len({d["adviser-symbol-performance"] for d in lived.learned.values()}) > 3
    assert len({d["adviser-memory"] for d in lived.learned.values()}) == len(lived.learned)


def test_cut_anywhere_nothing_is_lost_or_learned_twice(lived: Lived, tmp_path: Path) -> None:
    for seq, wanted in lived.learned.items():
        learning = fresh(agents_at(lived, seq, tmp_path / str(seq)))
        assert recover(Cut(lived.journal, seq), learning) == seq
        assert digests(learning, tmp_path) == wanted


def test_recovering_twice_is_recovering_once(lived: Lived, tmp_path: Path) -> None:
    seq, wanted = max(lived.learned.items())
    learning = fresh(agents_at(lived, seq, tmp_path / "agents"))
    recover(Cut(lived.journal, seq), learning)
    for entry in lived.journal.read({"resolved"}):
        if entry.seq <= seq:
            again = resolved_of(entry.body, decision_reader(lived.journal))
            learning.agent.learn_one(again)
    assert digests(learning, tmp_path)["sizing"] == wanted["sizing"]


def test_agents_that_were_recovered_before_learn_nothing_twice(
    lived: Lived, tmp_path: Path
) -> None:
    """Live signals need the manager before the kernel is there: the agents are the same twice."""
    seq, wanted = max(lived.learned.items())
    first = fresh(None)
    recover(Cut(lived.journal, seq), first)
    again = OnlineLearning(
        first._signals, CoreSettings(), first.agent, reward="log_growth",
        advisers=first.learner.advisers,
    )  # fmt: skip
    assert recover(Cut(lived.journal, seq), again) == seq
    assert digests(again, tmp_path) == wanted


def test_without_a_checkpoint_the_whole_journal_is_learned(lived: Lived, tmp_path: Path) -> None:
    seq, wanted = max(lived.learned.items())
    for folder in (None, tmp_path / "empty"):
        learning = fresh(folder)
        assert recover(Cut(lived.journal, seq), learning) == seq
        assert digests(learning, tmp_path) == wanted


def test_a_damaged_newest_gives_way_to_the_one_before(
    lived: Lived, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seq, wanted = max(lived.learned.items())
    for k in range(3):
        folder = agents_at(lived, seq, tmp_path / f"agents{k}")
        newest, before = Checkpoints(folder).generations()
        assert newest.seq > before.seq > 0
        if k == 0:
            flip(newest.folder / "sizing.npz")
        elif k == 1:
            flip(folder / MANIFEST)
        else:
            flip(newest.folder / "reinforcement.json")
            flip(before.folder / "sizing.json")
        learning = fresh(folder)
        caplog.clear()
        assert recover(Cut(lived.journal, seq), learning) == seq
        assert digests(learning, tmp_path) == wanted
        assert "checkpoint not used" in caplog.text


def test_a_checkpoint_ahead_of_the_journal_is_not_used(
    lived: Lived, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    early, wanted = sorted(lived.learned.items())[4]
    folder = shutil.copytree(lived.folders[max(lived.folders)], tmp_path / "agents")
    learning = fresh(folder)
    assert recover(Cut(lived.journal, early), learning) == early
    assert digests(learning, tmp_path) == wanted
    assert "the journal ends with" in caplog.text


def test_a_journal_with_a_hole_is_refused(lived: Lived) -> None:
    class Holed(Cut):
        def read(self, kinds: Collection[str] | None = None, after: int = 0) -> Iterator[Entry]:
            return (e for e in super().read(kinds, after) if e.seq != 7)

    with pytest.raises(DamagedArtifact, match="record 7 is missing"):
        recover(Holed(lived.journal, max(lived.learned)), fresh(None))


def test_a_checkpoint_of_other_settings_is_refused(lived: Lived, tmp_path: Path) -> None:
    seq = max(lived.learned)
    learning = fresh(agents_at(lived, seq, tmp_path / "agents"), SizingSettings(lcb_z=0.5))
    with pytest.raises(RefusedArtifact, match=r"sizing\.json"):
        recover(Cut(lived.journal, seq), learning)


def test_a_missing_decision_is_named(lived: Lived) -> None:
    with pytest.raises(DamagedArtifact, match="no decision sim:BTCUSDT:1"):
        decision_reader(lived.journal)("sim:BTCUSDT:1")


def flip(path: Path) -> None:
    """Alter one byte."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
