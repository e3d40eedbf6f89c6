"""MRC, the format of electron cryomicroscopy and tomography. Read only.

Begin with ``read.scan``. Only `napari_superres.io` imports this folder.

``read``  reads a memory-mapped stack or volume through mrcfile
"""
