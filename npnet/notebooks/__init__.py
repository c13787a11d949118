"""Notebooks read, run on NumPy alone, and held against what is stored in them."""
