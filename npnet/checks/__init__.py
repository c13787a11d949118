"""Two sets of arrays compared, and what to compare with."""
