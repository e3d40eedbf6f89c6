"""What a run will do, decided once and before any window is computed.

Begin with ``plan.resolve``, which turns an image, a model and options into one frozen `Plan`; every check is there.
Everything in `napari_superres.inference` may import this room; it imports only ``machine``.

``plan``       `Plan` and `resolve`
``tile_size``  how large the tiles are, how many the model gets at once and side by side
``estimate``   what a run takes: memory, disk, passes, time
"""
