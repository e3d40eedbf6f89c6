"""PNG, JPEG and BMP: photographs and screenshots, without a pixel size. Only PNG is written.

Begin with ``read.scan``. Only `napari_superres.io` imports this folder.

``read``   reads a still picture
``png``    checks that a PNG is whole
``jpeg``   checks that JPEG data are whole, those of TIFF and DICOM too
``write``  writes one plane as PNG, and says what a PNG cannot store
"""
