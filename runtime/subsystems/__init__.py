"""Subsystems of the runtime, each the one owner of its state."""
