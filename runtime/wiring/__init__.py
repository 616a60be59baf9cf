"""Putting a trader together: one function per venue, ``opening.open_trader`` chooses."""
