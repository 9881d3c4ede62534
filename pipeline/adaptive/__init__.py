"""Designs that ask for lanes in rounds: race and search."""
