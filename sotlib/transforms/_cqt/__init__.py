"""Kernels of the constant-Q transform applied to signals, short ones and long ones."""
