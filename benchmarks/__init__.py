"""Benchmarks with permanent scenario ids; ``python benchmarks/run.py --help``."""
