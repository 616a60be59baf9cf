"""Every numeric rule as a scalar function that Python runs and Numba compiles."""
