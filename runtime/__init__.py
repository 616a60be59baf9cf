"""What surrounds the core when it runs: settings now, the live loop later."""
