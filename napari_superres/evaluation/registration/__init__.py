"""Two images brought onto one grid: by their recorded positions, or by what they show.

Begin with ``match``. All of `napari_superres.evaluation` may import this room; it imports none of the other rooms.

``match``     crops and resamples a reference onto the grid of a result, by their affines
``register``  finds shift, rotation and flip from the pixels
``shifts``    local shifts, block by block
``scale``     the factor between a result and its input
"""
