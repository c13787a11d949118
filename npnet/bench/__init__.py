"""Timings of npnet alone."""
