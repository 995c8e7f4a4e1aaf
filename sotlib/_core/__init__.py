"""What every topic leans on: checks, constant tables, precision, compiled kernels."""
