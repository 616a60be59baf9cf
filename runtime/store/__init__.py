"""The journal of the runtime behind ``ports.Store``."""
