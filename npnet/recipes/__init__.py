"""Recipes, which hold every number of a run; drawing the parameters; and published runs."""
