"""Which loss when: all losses on the same tasks. Not in the papers."""
