"""Bad inputs and faults, made from small seeds: each says what must come of it."""
