"""The tyre atlas: the surface unrolled, its colours, and where they come from."""
