"""What every package may use: errors, failures, progress, child processes."""
