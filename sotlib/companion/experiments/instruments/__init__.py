"""The harmonic autoencoder on recorded instruments, which no paper has done: chapter
``sot/instruments``.
"""
