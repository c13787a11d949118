"""Loss logs and pictures."""
