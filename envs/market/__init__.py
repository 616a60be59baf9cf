"""What the market offers: validated bars, features, regimes, the built-in market."""
