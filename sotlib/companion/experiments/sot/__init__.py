"""The harmonic autoencoder of the SOT paper."""
