"""From the field to a coloured surface."""
