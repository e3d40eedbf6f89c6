"""DICOM: single files, multi-frame files and folders of slices. Read only.

Begin with ``read.scan``. Only `napari_superres.io` imports this room.

``read``    finds the series of a folder and stacks their slices
``header``  geometry, intensity transform and modality of a slice; never identity fields
"""
