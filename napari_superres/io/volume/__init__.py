"""Volumes with their orientation: NRRD and MetaImage through SimpleITK, NIfTI through nibabel.

Begin with ``read.scan``. Only `napari_superres.io` imports this folder; its neighbour ``dicom`` uses ``simpleitk``.

``nifti``      reads and writes NIfTI
``read``       reads NRRD and MetaImage
``write``      writes them, and says what they cannot store
``check``      checks headers: is the file complete, is its data near by, and is the pixel size known
``nrrd``, ``metaimage``   the check of one format each
``nrrd_axes``  what the header of an NRRD says about its axes and their units
``header``     what these checks share
``simpleitk``  imports SimpleITK without its warnings, and converts its geometry to array order
"""
