"""Compiles the core's rules as they stand: the very function objects, registered for Numba.

The compilation cache of Numba does not notice edits of functions from other files, so the cache
folder carries a digest of every rule's source, of Numba's version and of the options.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numba
from numba import njit
from numba.extending import register_jitable

import envs.core.rules as rules_package

OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": False, "_nrt": False}
COLD = frozenset(
    {"open_position", "close_at", "fund_book", "enter", "moved_stop", "walk_fine", "walk_alone"}
)
"""Rules called a few times a trade: inlining them would only lengthen compilation."""

_registered: set[str] = set()


def rule_modules() -> list[ModuleType]:
    """Every module of ``envs.core.rules``, in order of name."""
    names = sorted(m.name for m in pkgutil.iter_modules(rules_package.__path__))
    return [importlib.import_module(f"{rules_package.__name__}.{n}") for n in names]


def source_digest() -> str:
    """Digest of all rule and kernel sources, Numba's version and the options."""
    h = hashlib.sha256(f"{numba.__version__}{OPTIONS}".encode())
    folders = (Path(rules_package.__path__[0]), Path(__file__).parent)
    for folder in folders:
        for path in sorted(folder.glob("*.py")):
            h.update(path.name.encode())
            h.update(path.read_bytes())
    return h.hexdigest()[:16]


def cache_folder() -> Path:
    """Folder of compiled code for exactly these sources."""
    base = os.environ.get("QT_KERNEL_CACHE_DIR")
    root = Path(base) if base else Path.home() / ".cache" / "quantum-trader" / "kernel"
    return root / source_digest()


def register(function: FunctionType, inline: bool = True) -> None:
    """Let compiled code call one function; idempotent."""
    key = f"{function.__module__}.{function.__qualname__}"
    if key not in _registered:
        inline = inline and function.__name__ not in COLD
        register_jitable(forceinline=inline, **OPTIONS)(function)
        _registered.add(key)


def register_module(module: ModuleType, cold: frozenset[str] = frozenset()) -> None:
    """Let compiled code call every public function of a module."""
    for name, value in vars(module).items():
        own = isinstance(value, FunctionType) and value.__module__ == module.__name__
        if own and not name.startswith("_"):
            register(value, inline=name not in cold)


def register_rules() -> None:
    """Let compiled code call every rule; idempotent."""
    for module in rule_modules():
        for value in vars(module).values():
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                register(value)


def compiled(function: Any, parallel: bool = False) -> Any:
    """Compile one loop of the kernel against the registered rules, cached on disk."""
    register_rules()
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    config: Any = numba.config
    previous = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        return njit(cache=True, parallel=parallel, **OPTIONS)(function)
    finally:
        config.CACHE_DIR = previous
