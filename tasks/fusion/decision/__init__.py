"""From evidence to one field: the fusing network, or weights set by hand."""
