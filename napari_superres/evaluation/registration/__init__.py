"""Bring two images onto one grid, by their recorded positions or by their content.

Begin with ``match``. This folder imports no other folder of `napari_superres.evaluation`.

``match``     crops a result and a reference to their common field, by their affines
``register``  finds shift, rotation and scale from the pixels and moves the reference onto the result
``shifts``    the shift between two images, as a whole and block by block
``scale``     the scale between a result and its input
``lengths``   pixel sizes with their unit
"""
