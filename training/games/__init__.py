"""Games with known answers: each module plays some and writes what came out on a score sheet."""
