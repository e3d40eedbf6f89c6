"""Models made by others, brought into our one-file format once, when they are added to the library.

From then on they are as any other: pinned by sha256, measured, tiled, with a card that says what they are.

``found``       `Foreign`: what an import gives, a card and what computes
``checkpoint``  tensors of ``.pth``, ``.ckpt`` and foreign ``.safetensors`` files, without running what is in them
``archive``     unpacking of zip files that may be hostile
``convert``     all of these together: a file in, a card and weights out
``detect``      networks that spandrel recognises by their weights
``package``     bioimage.io packages, read
``describe``    a bioimage.io description, as a model card
``export``      our models as bioimage.io packages, with their ``credit``
``programs``    models that are programs: TorchScript, ONNX, architecture source
``trust``       programs that the user allowed to run, by sha256
``measure``     what a card needs and no file says: halo, error of tiles, grid, precision
"""
