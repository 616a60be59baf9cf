"""The rules of the trading world, pure: standard library and NumPy only."""
