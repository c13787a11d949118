"""Hand-written gradients of notebooks, judged."""
