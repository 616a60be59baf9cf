"""The reinforcement manager: weights and calibration of the four models."""
