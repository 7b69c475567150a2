"""Training data made of generated tyres."""
