"""Models made by others, converted to this program's one-file format once, when they are added to the library.

Begin with ``confined``, where a file is opened, then ``convert.convert``: a file in, a card and weights out. From then
on the models are like any other: known by sha256, measured, tiled, with a card. A loader for another kind of file
becomes a file here that returns a `ForeignModel`, and a line in ``convert``. This folder imports neither ``library``
nor ``export``.

``confined``         the child process in which a file is read, built and measured, and its limits
``child``            what that process does
``foreign_model``    `ForeignModel`: the card and the weights that a loader returns
``convert``          chooses the loader, builds the network, completes the card
``checkpoint``       tensors of ``.pth``, ``.ckpt`` and foreign ``.safetensors`` files, without running their contents
``loaders``          which network the tensors belong to: of spandrel, or a published one; which range it takes
``packages``         bioimage.io packages: their files, their description as a card, and their test tensors
``programs``         models that are programs: TorchScript, torch.export, ONNX, architecture source
``graph``            graphs of ONNX, in packages and alone, and what computes them
``axes``             order of the axes of what a network takes and makes
``archive``          unpacking of zip files that may be hostile
``trust``            programs that the user allowed to run, by sha256
``measure_card``     what a card needs and no file states
"""
