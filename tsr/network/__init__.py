"""The network: image encoder, transformer, triplane field."""
