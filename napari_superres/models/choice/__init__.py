"""Which model suits an image, and whether a given one does. Begin with ``choose.choose_model``.

Each line imports only lines above it:

``refusal``      whether a model can run on an image at all
``blemishes``    hot pixels, padding, dim planes, saturation and blur, measured on an image
``recognise``    what kind of image it is, and how that is known
``suitability``  compares an image with a model's training
``fitness``      whether a model fits an image, in one line
``choose``       which of the installed models suits an image best, and why
``per_channel``  which of them suits one channel next to others
"""
