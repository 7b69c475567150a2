"""Where the cameras were and where the tyre stands: the parts of the pose stage."""
