"""TIFF: OME-TIFF, ImageJ TIFF and plain TIFF.

Begin with ``read.scan``. Only `napari_superres.io` imports this folder.

``read``      finds the series of a file
``every_axis``  series with their axes of one element, in old and new versions of tifffile
``complete``  checks that the file is complete and claims no more than it holds
``array``     the lazy array of a series
``colour``    converts colour models into intensities and RGB, or refuses them
``calibration``  applies the calibration functions of ImageJ
``turn``      turns pixels as the tag Orientation says
``ome_set``   OME-TIFF of several files: companions, and positions with a file each
``strict``    decodes JPEG tiles strictly
``metadata``  pixel size, origin, units and channel names from OME-XML, ImageJ's description or resolution tags
``instruments``  the grid of LSM and SVS files
``write``     writes OME-TIFF, with a pyramid when large, and ImageJ TIFF, and says what they cannot store
``quiet``     keeps the messages of tifffile off stderr
"""
