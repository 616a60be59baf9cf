"""Market columns, votes and signals of a running process: known beforehand, or live."""
