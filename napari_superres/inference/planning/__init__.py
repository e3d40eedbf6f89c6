"""What a run does, decided once and before any tile is computed.

Begin with ``upscale_run``. `plan_run` inspects the image and the computer; the pure function `resolve` turns both into
one frozen `Plan`. Within `napari_superres.inference`, this folder imports only ``options`` and ``machine``.

``upscale_run``  `UpscaleRun`: models and their plans
``facts``        the first look at an image: intensities, and doubts whether the model suits it
``conditions``   what a conditioned network is told of the image: noise measured or given, a known width
``lens``         the lens that the image's file states, and its blur
``seen``         what was seen in the pixels, for plans that follow
``labels``       refuses label images, which are no intensities
``extent``       what is computed: axes, scale, region, channels, halo
``resources``    what this computer offers: device, memory, threads, speed of the model
``tile_size``    how large the tiles are, how many the model gets at once and in parallel
``plan``         `Plan` and `resolve`
``estimate``     what a run takes: memory, disk, passes, time
"""
