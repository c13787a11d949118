"""The network: names, the twenty lines, the 26 gradients, the same fused, the same fast."""
