"""The frames that the network sees: scores and choice."""
