"""Theory that the cases are compared with: formulas and chains, each from its source, without the simulator."""
