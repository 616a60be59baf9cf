"""What every scenario shares: metrics, repeated timing, the registry, reports, comparison."""
