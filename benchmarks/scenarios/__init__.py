"""The scenarios; importing ``load_all`` registers them."""

from __future__ import annotations

import importlib

MODULES = (
    "bandwidth", "vector", "single", "counterfactual", "learn", "training", "scaling", "processes",
    "exchange", "runtime_latency", "peers",
)  # fmt: skip


def load_all() -> None:
    """Import every module that registers scenarios."""
    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}")
