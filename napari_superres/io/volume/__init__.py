"""NIfTI, NRRD and MetaImage volumes with their orientation, through SimpleITK.

Begin with ``read.scan``. Only `napari_superres.io` imports this folder; its neighbour ``dicom`` uses ``simpleitk``.

``read``       reads a volume
``write``      writes a volume, and says what its format cannot store
``header``     checks headers: is the file complete, and is the pixel size known
``simpleitk``  imports SimpleITK without its warnings, and converts its geometry to array order
"""
