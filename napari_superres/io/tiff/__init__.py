"""TIFF: OME-TIFF, ImageJ TIFF and plain TIFF.

Begin with ``read.scan``. Only `napari_superres.io` imports this room.

``read``      finds the series of a file and their lazy arrays
``metadata``  pixel size, origin, units and channel names from OME-XML, ImageJ and resolution tags
``write``     OME-TIFF, with a pyramid when large
"""
