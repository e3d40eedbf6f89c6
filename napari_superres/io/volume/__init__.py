"""NIfTI, NRRD and MetaImage volumes with their orientation, through SimpleITK.

Begin with ``read.scan``. Only `napari_superres.io` imports this folder; its neighbour ``dicom`` uses ``simpleitk``.

``read``       reads a volume
``write``      writes a volume, and says what its format cannot store
``check``      checks headers: is the file complete, is its data near by, and is the pixel size known
``nifti``, ``nrrd``, ``metaimage``   the check of one format each
``header``     what these checks share
``simpleitk``  imports SimpleITK without its warnings, and converts its geometry to array order
"""
