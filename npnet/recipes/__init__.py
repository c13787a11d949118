"""Every number of a run, how parameters are drawn, and published runs."""
