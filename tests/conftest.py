"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# The same examples on every machine: a failure found once is found again.
settings.register_profile("project", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("project")


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """Folder of real bars, laid out as README "Real data" says; skips where there is none."""
    given = os.environ.get("QT_REAL_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not (folder / "perp").is_dir():
        if given:
            pytest.fail(f"QT_REAL_DATA={given} holds no folder perp/")
        pytest.skip("no real bars: set QT_REAL_DATA to a folder with perp/BTCUSDT-1h.parquet ...")
    return folder
