"""Torch's CPU random numbers in NumPy."""
