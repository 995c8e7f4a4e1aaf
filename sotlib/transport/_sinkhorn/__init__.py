"""The parts of the Sinkhorn solver."""
