"""By the clock a commit is made where something changed, and not for what can wait."""

from __future__ import annotations

from runtime.kernel_ports import Record
from runtime.trading import records
from tests.unit.runtime.trading.desk import Rig, bars_of, run


def test_a_watch_while_the_models_are_asked_commits_nothing_of_the_close() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000, 10_000), candidates=(0, 1)).start()
        rig.by_clock()
        kernel, context, journal = rig.kernel, rig.kernel.context, rig.journal
        while (step := await rig.parts.stepper.advance()).index != 3:
            await kernel.monitor(step.now_ns, dict(step.quotes))
        seen: list[int] = []

        async def asked() -> None:
            # What ``_learn`` tells in a run that learns, and a look at the stops meanwhile.
            context.learned(step.now_ns, (), ((),))
            seen.append(len(journal.states))
            await kernel.watch()
            seen.append(len(journal.states))

        kernel.parts.signals.vote = asked  # type: ignore[method-assign]
        await kernel.on_close(step.now_ns, step.bars, quotes=dict(step.quotes))
        assert seen[0] == seen[1]
        assert len(journal.states) > seen[1], "the decisions take it along"
        kinds = [record.kind for record in journal.records]
        assert kinds.index(records.LEARNED) < len(kinds) - 1

    run(work())


def test_a_watch_commits_what_it_found() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000, 10_000)).start()
        rig.by_clock()
        committed = len(rig.journal.states)
        await rig.kernel.watch()
        assert len(rig.journal.states) == committed, "nothing changed"
        rig.kernel.context.tell(Record(records.ALARM, 0, "x", {"text": "found"}))
        await rig.kernel.watch()
        assert len(rig.journal.states) == committed + 1

    run(work())
