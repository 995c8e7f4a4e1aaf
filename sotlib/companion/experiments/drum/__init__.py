"""Sound matching of drums: the PNP paper."""
