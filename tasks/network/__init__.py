"""The reconstruction network: weights, device, inference."""
