"""Writing this program's models for others: as bioimage.io packages, or as the one file that this program reads.

Begin with ``bioimageio.export_bioimageio``. Nothing else in `napari_superres.models` imports this folder.

``bioimageio``    `export_bioimageio`: writes a package and tests it
``model_copy``    `export_safetensors`: writes this program's own model file
``description``   what a package says about its model: axes, sizes, intensities, README
``example``       test input, test output and cover picture
``weight_files``  the network as state dict and as ONNX
``credits``       authors, citations and licence
"""
