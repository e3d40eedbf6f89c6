"""Models of ours as packages that other programs read.

Begin with ``bioimageio.export_bioimageio``. The command line and the plugin import this room.

``bioimageio``  bioimage.io packages with state dict and ONNX; our own model files
``credit``      authors and citations of a package
"""
