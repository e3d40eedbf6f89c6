"""The tables of what each file format keeps of an image, made by writing and reading files.

``features``  the features, and images that have them
``facts``     what a file says about its image, in one form
``cells``     asks every format for every feature
``tiff``, ``omezarr``, ``volumes`` (NIfTI, NRRD, MetaImage), ``dicom``, ``pictures`` (PNG, JPEG, BMP, MRC)   other
libraries that write and read the formats
"""

from helpers.tables import ROOT

PAGE = ROOT / "docs" / "reference" / "formats.md"
