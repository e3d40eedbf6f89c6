"""NIfTI, NRRD and MetaImage volumes.

Begin with ``read.scan``. Only `napari_superres.io` imports this room.

``read``    reads and writes volumes with their orientation
``header``  checks headers before a decoder sees them
"""
