"""One stand-alone program a peer: reads bars, steps the peer's environment, prints its figures."""
