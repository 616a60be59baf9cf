"""From decisions and outcomes to resolved decisions, and from those to everything that learns."""
