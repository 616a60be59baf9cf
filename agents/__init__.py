"""Agents: what decides sizes and what weighs the models."""
