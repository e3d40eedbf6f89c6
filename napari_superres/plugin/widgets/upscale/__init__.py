"""The Super-resolve widget: computes a finer layer exactly over an image layer.

Begin with ``state``. A new button goes into ``controls``, where it is made and placed, and is connected in ``widget``;
whether it may be pressed is decided in ``state``.

``state``         what is chosen, what may be pressed, what is shown; without Qt
``widget``        reacts to the controls, plans and runs
``controls``      the controls from top to bottom, and how they show a state
``layer_facts``   facts of a layer for the state
``layer_run``     the computation of one layer, and the runs that the controls start
``result_layer``  the layer of a result, which fills tile by tile
``choosing``      the list of models, the choice of one for a layer and its channels, and whether it fits
``next_steps``    compare a result, save it, and read how it was made
``region``        choice of the region
``pixel_size``    sets a pixel size that the file did not state
``resample``      offers the pixel size that a model was trained on
``learning``      buttons that learn from the layer: how to make thick slices thin, and to refine a model
``crop``          a crop of the image: input, interpolation, result
``preview``       the visible field, computed while the user looks around
``snippets``      the run as a command and as a script
"""
