"""Deep-RL baselines: policy networks trained elsewhere, and their settings."""
