"""Notebooks read, run on NumPy alone, and compared with their stored outputs."""
