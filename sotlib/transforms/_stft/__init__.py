"""Compiled short-time spectra on a CPU, and their definition."""
