"""What the kernel writes into the journal, one function a kind.

Kinds, in the order in which they come: ``run`` once a start; ``bar`` and ``labels`` at a close;
``regimes`` (bars as the memory learned them, where there is one) and ``resolved`` before they are
learned, ``checkpoint`` where the agents were saved then, ``learned`` after; ``signal``,
``decision`` (view and decision), ``order`` (an intent and what the venue said), ``fill``,
``funding``, ``trade`` (closed), ``skip`` (a decision that opened nothing), ``gate``, ``alarm`` and
``foreign``. The emergency stop adds ``ess``, a coarse journal ``tally``
(``runtime.journal.levels``). Bodies hold objects; ``runtime.journal.codec`` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agents.memory.setups import Bar as RememberedBar
from envs.core.events import GateEvent, LedgerEntry
from envs.core.trade import ClosedTrade, Decision, ResolvedDecision, ResolvedLabel, Skipped
from envs.core.view import DecisionView
from runtime.kernel_ports import Record, Signals
from runtime.port_market import Bar
from runtime.port_values import Answer, Fill, NewOrder, NewTrigger

RUN, BAR, LABELS, REGIMES, RESOLVED, SIGNAL, DECISION = (
    "run", "bar", "labels", "regimes", "resolved", "signal", "decision",
)  # fmt: skip
LEARNED, CHECKPOINT = "learned", "checkpoint"
ORDER, FILL, FUNDING, TRADE, SKIP = "order", "fill", "funding", "trade", "skip"
GATE, ALARM, FOREIGN = "gate", "alarm", "foreign"


def bar_record(close_ns: int, bars: Sequence[Bar]) -> Record:
    """All bars of one close; body ``bars``."""
    return Record(BAR, close_ns, str(close_ns), {"bars": tuple(bars)})


def labels_record(close_ns: int, labels: Sequence[ResolvedLabel]) -> Record:
    """All labels that ended at one close, learned as one update; body ``labels``."""
    return Record(LABELS, close_ns, str(close_ns), {"labels": tuple(labels)})


def regimes_record(close_ns: int, bars: Sequence[RememberedBar]) -> Record:
    """Bars that the memory learned at one close, older ones it had missed among them."""
    return Record(REGIMES, close_ns, str(close_ns), {"bars": tuple(bars)})


def resolved_record(now_ns: int, resolved: ResolvedDecision) -> Record:
    """One unit of learning; key ``decision_id#part``, body ``resolved``."""
    name, part = resolved.id
    return Record(RESOLVED, now_ns, f"{name}#{part}", {"resolved": resolved})


def learned_record(
    close_ns: int, units: Sequence[ResolvedDecision], labels: Sequence[Sequence[ResolvedLabel]]
) -> Record:
    """One step of learning: keys of the ``resolved`` records, and how many labels."""
    keys = tuple(f"{name}#{part}" for name, part in (unit.id for unit in units))
    body = {"units": keys, "labels": sum(len(told) for told in labels)}
    return Record(LEARNED, close_ns, str(close_ns), body)


def checkpoint_record(close_ns: int, folder: str, seq: int, files: Mapping[str, str]) -> Record:
    """The agents as saved: what they learned ends with record ``seq``; files by SHA-256."""
    return Record(CHECKPOINT, close_ns, folder, {"seq": seq, "files": dict(files)})


def signal_record(close_ns: int, symbol: str, values: Mapping[str, Any]) -> Record:
    """The votes and the signal of one symbol at one close."""
    return Record(SIGNAL, close_ns, f"{symbol}:{close_ns}", values)


def signal_records(signals: Signals, symbols: Sequence[str], close_ns: int) -> Iterator[Record]:
    """The votes and the signal of every contract at the present row."""
    tape, votes, row = signals.tape, signals.votes, signals.row
    columns = (
        tape.side, tape.score, tape.ev, tape.confidence, tape.edge, tape.candidate, votes.p_up,
        votes.p_down, tape.weights,
    )  # fmt: skip
    told = zip(symbols, *[column[row].tolist() for column in columns], strict=True)
    for symbol, side, score, ev, confidence, edge, candidate, p_up, p_down, weights in told:
        values = {
            "side": side, "score": score, "ev": ev, "confidence": confidence, "edge": edge,
            "candidate": candidate, "p_up": p_up, "p_down": p_down, "weights": weights,
        }  # fmt: skip
        yield signal_record(close_ns, symbol, values)


def decision_record(view: DecisionView, decision: Decision) -> Record:
    """A candidate as it was seen and decided; key is the decision id."""
    body = {"view": view, "decision": decision}
    return Record(DECISION, view.bar_close_ns, view.decision_id, body)


def order_record(
    now_ns: int, decision_id: str, ask: NewOrder | NewTrigger, answer: Answer[Any]
) -> Record:
    """An order and what became of it; key is the client id."""
    body = {"decision_id": decision_id, "ask": ask, "answer": answer}
    return Record(ORDER, now_ns, ask.client_id, body)


def fill_record(fill: Fill, decision_id: str, role: str) -> Record:
    """A fill, counted once; key ``symbol:trade id``."""
    body = {"decision_id": decision_id, "role": role, "fill": fill}
    return Record(FILL, fill.time_ms * 1_000_000, f"{fill.symbol}:{fill.trade_id}", body)


def funding_record(entry: LedgerEntry) -> Record:
    """Funding booked on a position."""
    return Record(FUNDING, entry.time_ns, f"{entry.symbol}:{entry.time_ns}", {"entry": entry})


def trade_record(trade: ClosedTrade, stops: Sequence[tuple[int, int]]) -> Record:
    """A closed trade with the history of its stop: (time ns, unsigned ticks)."""
    body = {"trade": trade, "stops": tuple(stops)}
    return Record(TRADE, trade.exit_ns, trade.decision_id, body)


def skip_record(now_ns: int, decision: Decision, skipped: Skipped) -> Record:
    """A decision that opened nothing, and why."""
    return Record(SKIP, now_ns, decision.decision_id, {"skipped": skipped})


def gate_record(event: GateEvent) -> Record:
    """A change of the emergency stop."""
    return Record(GATE, event.time_ns, str(event.level), {"event": event})


def alarm_record(now_ns: int, about: str, text: str) -> Record:
    """Something a person should look at."""
    return Record(ALARM, now_ns, about, {"text": text})


def foreign_record(now_ns: int, symbol: str, text: str) -> Record:
    """Something at the venue that is not ours."""
    return Record(FOREIGN, now_ns, symbol, {"text": text})
