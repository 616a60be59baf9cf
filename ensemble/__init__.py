"""The four forecasting models, their labels, cross-fitting and calibration."""
