"""Learning the 26 gradients: explanations, an exercise sheet, and what is wrong with a solution."""
