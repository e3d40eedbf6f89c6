"""Thick slices made thin, learnt from the stack itself.

``profile``  the weights of a slice along the coarse axis
``fit``      trains the network of planes
``predict``  two predictions of the gain over interpolation
"""
