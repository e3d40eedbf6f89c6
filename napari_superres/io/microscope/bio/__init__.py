"""CZI (Zeiss), ND2 (Nikon) and LIF (Leica). Read only.

Begin with ``read.scan``. Only `napari_superres.io` imports this folder.

``read``  reads the scenes of a file lazily through a plug-in of bioio
"""
