"""Thick slices made thin, learnt from the stack itself.

Begin with `isotropic.isotropic`.

``isotropic``  `isotropic` and `isotropic_file`
``options``    their options and defaults
``geometry``   the coarse axis, the factor, thickness and spacing of the slices
``profile``    the weights of a slice along the coarse axis
``stack``      reads planes and samples of a stack
``checks``     what speaks against it, seen before any training
``learn``      from a stack to its model, and the predicted gain
``fit``        trains the network of planes
``predict``    two predictions of the gain over interpolation
"""
