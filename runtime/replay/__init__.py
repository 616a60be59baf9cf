"""Recomputing every decision of a journal from the bundle and what was learned before it."""
