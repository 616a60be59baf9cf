"""N-HiTS (Challu et al. 2023) on 120 bars and a few exogenous series."""

from __future__ import annotations

from typing import Any

from ensemble.models.networks import EXOGENOUS, QUANTILES, QuantileNetwork


class NHits(QuantileNetwork):
    """Hierarchical interpolation network."""

    name = "nhits"
    length = 120
    exogenous = EXOGENOUS

    def arguments(self) -> dict[str, Any]:
        """Small stacks: the signal is weak and the time is short."""
        return {
            "h": 1,
            "input_size": self.length,
            "hist_exog_list": list(self.exogenous),
            "mlp_units": [[96, 96], [96, 96], [96, 96]],
            "n_pool_kernel_size": [8, 4, 1],
            "dropout_prob_theta": 0.1,
        }

    def module(self) -> Any:
        """Build the library's module."""
        from neuralforecast.losses.pytorch import MQLoss
        from neuralforecast.models.nhits import NHITS

        return NHITS(loss=MQLoss(quantiles=list(QUANTILES)), **self.arguments())
