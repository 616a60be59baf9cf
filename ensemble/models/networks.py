"""The two networks: neuralforecast's modules called on raw tensors in fixed, padded batches.

Input: log prices relative to the last close in units of ATR/close, so one network serves all
symbols. Output: seven quantiles of the log return over the horizon in the same unit. Saved as
safetensors plus JSON of the constructor's arguments; nothing is pickled.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.models.guards import read_meta, require_rows, require_training, write_meta
from ensemble.protocol import Dataset, RawVotes
from envs.core.errors import RefusedArtifact
from envs.core.types import BoolArray, Float64Array, Int64Array

QUANTILES = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
BATCH = 64
_WINDOWS = 4_096
_TRAIN_BATCH = 256
_LEARNING_RATE = 1e-3
_WEIGHT_DECAY = 1e-2
_CLIP = 20.0
EXOGENOUS = ("rsi", "adx", "funding_z_30d", "vol_24_168", "range_pos_24", "volume_ratio")


class QuantileNetwork:
    """A network that states quantiles; its votes are probabilities beyond the round-trip cost."""

    name = ""
    length = 0
    exogenous: tuple[str, ...] = ()

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.feature_hash = self.version = ""
        self._net: Any = None

    def arguments(self) -> dict[str, Any]:
        """Constructor arguments of the library's module."""
        raise TypeError("a network names its module")

    def module(self) -> Any:
        """Build the untrained module."""
        raise TypeError("a network names its module")

    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        """Minimise the pinball loss over random batches of the marked rows."""
        with _one_thread():
            self._fit(data, train, seed)

    def _fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        import torch

        _quiet()
        target = scaled_target(data)
        rows, symbols = np.nonzero(train & np.isfinite(target))
        whole = self._usable(data, rows, symbols)
        rows, symbols = rows[whole], symbols[whole]
        require_training(self.name, rows.size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._net = self.module()
            self._net.train()
            rng = np.random.default_rng([seed, len(self.name)])
            optimiser = torch.optim.AdamW(
                self._net.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY
            )
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimiser, max_lr=_LEARNING_RATE, total_steps=self.steps
            )
            levels = torch.tensor(QUANTILES)
            for _ in range(self.steps):
                pick = rng.integers(0, rows.size, _TRAIN_BATCH)
                out = self._forward(data, rows[pick], symbols[pick])
                y = torch.from_numpy(target[rows[pick], symbols[pick]].astype(np.float32))
                miss = y[:, None] - out
                loss = torch.maximum(levels * miss, (levels - 1.0) * miss).mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(self._net.parameters(), 1.0)
                optimiser.step()
                schedule.step()
        self._net.eval()
        self.feature_hash, self.version = data.market.feature_hash, ""

    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        """P(up beyond cost), P(down beyond cost); rows without a full, known window abstain."""
        import torch

        require_rows(self.name, self.feature_hash, data, rows, symbols)
        up, down = np.full(rows.size, np.nan), np.full(rows.size, np.nan)
        known = np.flatnonzero(self._usable(data, rows, symbols))
        for start in range(0, known.size, BATCH):
            part = known[start : start + BATCH]
            padded = np.concatenate([part, np.full(BATCH - part.size, part[0])])
            with _one_thread(), torch.no_grad():
                out = self._forward(data, rows[padded], symbols[padded]).numpy()
            quantiles = np.sort(out[: part.size].astype(np.float64), axis=1)
            r, s = rows[part], symbols[part]
            cost = data.cost[r, s] / data.market.atr_frac[r, s]
            up[part] = 1.0 - cdf(quantiles, cost)
            down[part] = cdf(quantiles, -cost)
        return RawVotes(np.round(up, 6), np.round(down, 6))

    def save(self, folder: Path) -> None:
        """Weights as safetensors, everything else as JSON."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        state = {k: v.contiguous().clone() for k, v in self._net.state_dict().items()}
        weights = folder / f"{self.name}.safetensors"
        save_file(state, str(weights))
        meta = {
            "feature_hash": self.feature_hash,
            "arguments": self.arguments(),
            "steps": self.steps,
        }
        self.version = write_meta(folder / f"{self.name}.json", weights, meta)

    def load(self, folder: Path, feature_hash: str) -> None:
        """Rebuild the module and read its weights."""
        from safetensors.torch import load_file

        _quiet()
        weights = folder / f"{self.name}.safetensors"
        meta, version = read_meta(folder / f"{self.name}.json", weights, feature_hash)
        if meta.get("arguments") != self.arguments():
            raise RefusedArtifact(f"{weights}: made for another {self.name} network; retrain")
        net = self.module()
        net.load_state_dict(load_file(str(weights)))
        self._net, self.steps = net.eval(), int(meta["steps"])
        self.feature_hash, self.version = feature_hash, version

    def _usable(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> BoolArray:
        """Whether each row's whole input window exists and its features are known, (N,)."""
        market = data.market
        ok = market.complete[rows, symbols] & (rows >= self.length - 1)
        back = np.arange(-self.length + 1, 1)
        asked = np.flatnonzero(ok)
        for start in range(0, asked.size, _WINDOWS):
            part = asked[start : start + _WINDOWS]
            window, of = rows[part][:, None] + back, symbols[part][:, None]
            known = np.isfinite(data.log_close[window, of])
            if self.exogenous:
                known &= market.complete[window, of]
            ok[part] = known.all(axis=1)
        return np.asarray(ok)

    def _forward(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> Any:
        import torch

        back = np.arange(-self.length + 1, 1)
        window = rows[:, None] + back
        logs = data.log_close[window, symbols[:, None]]
        scale = data.market.atr_frac[rows, symbols][:, None]
        series = np.clip((logs - logs[:, -1:]) / scale, -_CLIP * 5, _CLIP * 5).astype(np.float32)
        batch: dict[str, Any] = {
            "insample_y": torch.from_numpy(series)[:, :, None],
            "insample_mask": torch.ones(series.shape)[:, :, None],
            "futr_exog": None,
            "hist_exog": None,
            "stat_exog": None,
        }
        if self.exogenous:
            columns = [data.market.feature_names.index(n) for n in self.exogenous]
            values = data.market.features[
                window[:, :, None], symbols[:, None, None], np.asarray(columns)
            ]
            batch["hist_exog"] = torch.from_numpy(np.clip(values, -_CLIP, _CLIP).astype(np.float32))
        return self._net(batch)[:, 0, :]


def scaled_target(data: Dataset) -> Float64Array:
    """Log return from close t to close t + H in units of ATR/close at t; NaN where unknown."""
    h = data.horizon
    out = np.full(data.log_close.shape, np.nan)
    out[:-h] = (data.log_close[h:] - data.log_close[:-h]) / data.market.atr_frac[:-h]
    return np.asarray(np.clip(out, -_CLIP, _CLIP))


def cdf(quantiles: Float64Array, x: Float64Array) -> Float64Array:
    """P(value <= x) per row by monotone interpolation; tails continue one more step to 0 and 1."""
    low = quantiles[:, :1] - 2.0 * (quantiles[:, 1:2] - quantiles[:, :1]) - 1e-9
    high = quantiles[:, -1:] + 2.0 * (quantiles[:, -1:] - quantiles[:, -2:-1]) + 1e-9
    grid = np.concatenate([low, quantiles, high], axis=1)
    levels = np.array([0.0, *QUANTILES, 1.0])
    place = np.clip((grid <= x[:, None]).sum(axis=1), 1, grid.shape[1] - 1)
    row = np.arange(x.size)
    a, b = grid[row, place - 1], grid[row, place]
    share = np.clip((x - a) / np.maximum(b - a, 1e-12), 0.0, 1.0)
    return np.asarray(levels[place - 1] + share * (levels[place] - levels[place - 1]))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums shared among threads depend on their number; votes must not depend on the machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _quiet() -> None:
    import pytorch_lightning  # noqa: F401 - its import sets the level of its loggers

    for name in ("lightning", "lightning_fabric", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
