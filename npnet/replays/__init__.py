"""Published runs: replayed, and their lost seeds found."""
