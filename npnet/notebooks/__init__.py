"""Notebooks: reading them, running them on NumPy alone, and what they print beside what is stored."""
