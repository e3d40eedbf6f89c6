"""NIfTI-1 and NIfTI-2 through nibabel, with both of their matrices and the names of their spaces.

Begin with ``read.scan``. Only `napari_superres.io` imports this folder.

``read``    reads a volume
``write``   writes a volume, and says what NIfTI cannot store
``header``  the header of a file, after a check that the file holds what it claims
``forms``   sform and qform: the matrices of a file, which of them was used, and how both are written again
"""
