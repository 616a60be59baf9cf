"""PatchTST (Nie et al. 2023) on 128 bars in patches of 16."""

from __future__ import annotations

from typing import Any

from ensemble.models.networks import QUANTILES, QuantileNetwork


class PatchTst(QuantileNetwork):
    """Patch transformer over the price path alone."""

    name = "patchtst"
    length = 128

    def arguments(self) -> dict[str, Any]:
        """One small encoder; no reversible normalisation, the input is already relative."""
        return {
            "h": 1,
            "input_size": self.length,
            "encoder_layers": 2,
            "n_heads": 4,
            "hidden_size": 32,
            "linear_hidden_size": 64,
            "patch_len": 16,
            "stride": 16,
            "revin": False,
            "dropout": 0.1,
            "fc_dropout": 0.1,
        }

    def module(self) -> Any:
        """Build the library's module."""
        from neuralforecast.losses.pytorch import MQLoss
        from neuralforecast.models.patchtst import PatchTST

        return PatchTST(loss=MQLoss(quantiles=list(QUANTILES)), **self.arguments())
