"""Objects instead of pixels: spots, nuclei and filaments, found by one plain method in every image, and matched.

Begin with ``table``, which measures the objects of a candidate against those of a reference. This folder works on plain
arrays and imports nothing of `napari_superres.evaluation`.

``detect``  finds the objects of an image, as labels
``match``   pairs the objects of two label images one to one; what was kept, merged, split, lost and invented
``table``   the rows of a report on objects
"""
