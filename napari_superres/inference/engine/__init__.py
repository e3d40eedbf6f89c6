"""The loop from tiles to pixels: load, compute, crop, store.

Begin with ``execute``; it gives tiles to ``sweep`` and keeps their cores. Within `napari_superres.inference`, this
folder imports only ``planning``, ``options`` and ``machine``.

``execute``            computes a plan into an array
``sweep``              the loop over tiles, and what becomes smaller when memory is short
``cores``              computes the cores of a batch, on the CPU or through the pipeline of an accelerator
``tile_io``            reads a tile of the image, writes a core of the result
``alpha``              enlarges the transparency of RGBA
``consistency``        compares a few windows of a result with the input
``counts``             what happened during a run, in numbers
``color``              one-channel and colour networks on grey and RGB images
``global_statistics``  passes that find the statistics of the whole image, for layers that need them
``half_precision``     uses half precision where one tile shows that it does not matter
"""
