from __future__ import annotations

from runtime.driving.prices import why_unusable
from runtime.port_market import FeedHealth


def test_why_data_may_not_be_traded_on() -> None:
    assert why_unusable(FeedHealth("A", 1.0, False), 10.0) == ""
    assert why_unusable(FeedHealth("A", 11.0, False), 10.0) == "FEED_STALE"
    assert why_unusable(FeedHealth("A", 1.0, False, missing=(5,)), 10.0) == "FEED_GAP"
    assert why_unusable(FeedHealth("A", 1.0, False, crossed=True), 10.0) == "FEED_CROSSED"
    assert why_unusable(FeedHealth("A", 1.0, True, problem="x"), 10.0) == "FEED_FAULTY"
