"""Checkpoints with random weights, in the layouts of other programs and authors."""
