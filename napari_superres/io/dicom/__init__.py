"""DICOM: single files, multi-frame files and folders of slices. Read only.

Begin with ``read.scan``. Only `napari_superres.io` imports this folder.

``read``      finds the series of a folder and stacks their slices
``elements``  checks that a file holds what it claims, before it is read
``header``    reads the tags that describe the pixels; never who was imaged
``stack``     orders the slices of a series and checks that they form an even, straight stack
"""
