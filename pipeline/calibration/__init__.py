"""Costs of a machine, measured on it, and of a BEAM program, fitted to a recording of it."""
