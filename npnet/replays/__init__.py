"""Published runs, run again."""
