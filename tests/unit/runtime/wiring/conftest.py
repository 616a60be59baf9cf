"""A small bundle of the built-in market, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parity.runtime_bundle import make_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained in seconds."""
    return make_bundle(tmp_path_factory.mktemp("wiring") / "bundle")
