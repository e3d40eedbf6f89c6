"""OME-Zarr and plain zarr, read lazily and written shard by shard.

Begin with ``read.scan`` and ``target.ZarrTarget``. `napari_superres.io` imports this room, and hands `ZarrTarget` and
`Layout` to the streaming engine.

``read``        finds the images of a store
``attributes``  axes, pixel size, origin and channel names from the OME metadata
``array``       an array whose missing or damaged chunks have names
``layout``      shape, chunks, shards and pyramid levels of a result
``target``      `ZarrTarget`: a result written box by box, by any number of processes
``write``       a whole image written at once
"""
