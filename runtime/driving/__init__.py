"""What moves the kernel: a stepped market (sim, lockstep) or the clock (accelerated, demo)."""
