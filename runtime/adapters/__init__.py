"""What stands behind the ports: ccxt to an exchange, clocks, budgets."""
