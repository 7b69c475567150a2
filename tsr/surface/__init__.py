"""Surface extraction by marching only where the surface is."""
