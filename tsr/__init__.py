"""TripoSR."""
