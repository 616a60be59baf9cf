"""The pause after a losing run: no entries, then three small ones, then as before (12.13)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agents.outcomes import TradeOutcome

TRIAL_TRADES = 3
TRIAL_HALF_LIVES = 3


@dataclass(frozen=True)
class Block:
    """A pause that began at ``since_ns``; None where there is none.

    Entries resume after ``block_ns``, at first as a trial: it ends with its third trade or after
    three half-lives, because trades that small may never be filled.
    """

    block_ns: int
    half_life_ns: int
    since_ns: int | None = None
    left: int = 0

    def blocks(self, now_ns: int) -> bool:
        """Whether entries are stopped at ``now_ns``."""
        return self.since_ns is not None and now_ns - self.since_ns < self.block_ns

    def on_trial(self, now_ns: int) -> bool:
        """Whether entries at ``now_ns`` are the small ones after a pause."""
        if self.since_ns is None or self.left == 0 or self.blocks(now_ns):
            return False
        elapsed = now_ns - self.since_ns - self.block_ns
        return elapsed < TRIAL_HALF_LIVES * self.half_life_ns

    def after(self, o: TradeOutcome, losing: bool) -> Block:
        """Return the pause after a real trade; ``losing`` says that a new one is due.

        A trade that was opened before entries resumed prolongs nothing and is no part of the trial.
        """
        now = self
        if now.blocks(o.exit_ns):
            return now
        if now.on_trial(o.exit_ns):
            resumed = (now.since_ns or 0) + now.block_ns
            if o.entry_ns < resumed:
                return now
            now = replace(now, left=now.left - 1)
            if now.left > 0:
                return now
        return replace(now, since_ns=o.exit_ns if losing else None, left=TRIAL_TRADES * losing)
