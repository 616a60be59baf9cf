"""One file for each model behind the Forecaster protocol."""
