"""Buttons of Super-resolve that learn from the chosen layer.

``form``       what they share: the button, the job, and the line of what came of it
``isotropic``  from a stack of thick slices, how to make them thin
``adapting``   refines the chosen model on a noisy image
"""
