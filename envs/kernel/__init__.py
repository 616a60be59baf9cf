"""The rules compiled: loops and memory, no rule of its own."""
