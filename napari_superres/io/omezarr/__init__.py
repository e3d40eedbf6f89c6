"""OME-Zarr and plain zarr, read lazily and written shard by shard.

Begin with ``read.scan`` and ``target.ZarrTarget``. Only `napari_superres.io` imports this folder; it passes
`ZarrTarget` and `Layout` on to the streaming engine.

``read``        finds the images of a zarr folder
``array``       an array that names its missing and damaged chunks
``damage``      finds the missing and damaged chunks of a whole folder
``chunk_check`` checks the packed bytes of a chunk before they are decoded
``sparse``      whether chunks that are not stored mean the fill value, or damage
``store``       reads the metadata of a folder
``write``       writes a whole image, and says what OME-Zarr cannot store
``target``      `ZarrTarget`: a result that several processes may write box by box
``replaceable``  whether a folder holds one image and nothing else, so that a result may replace it
``layout``      numbers of a result: shape, chunks, shards and pyramid levels
``attributes``  makes the OME metadata of a result
"""
