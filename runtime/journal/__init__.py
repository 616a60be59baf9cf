"""The journal of the runtime: what happened, in order, and the state it led to."""
