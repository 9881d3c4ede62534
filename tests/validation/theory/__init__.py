"""Theory that the cases are compared with: formulas and chains from their sources, without the simulator."""
