"""The Train widget: train a model on layers or folders, and add it to the library.

Begin with ``state``, which decides what may be pressed, then ``widget``, which binds the controls to it. ``work`` and
``simulation`` run in threads and do not know Qt.

``state``             what is chosen, what follows from it, and the texts to show; without Qt
``widget``            reacts to the controls; runs, stops and cancels a training
``controls``          the controls, from top to bottom
``source_form``       what the user has: images to learn from, a stack, beads
``thumbnails``        small pictures of the images to learn from
``beads_form``        measures a point-spread function on beads
``degradation_form``  the simulated instrument, with pictures of what it does
``instrument_kinds``  the instruments that can be chosen; without Qt
``fields``            a range of two numbers, and a path
``finished``          use the new model, or discard it
``curves``            loss and validation score over time
``work``              the training, in a thread
``simulation``        simulate and measure an instrument, in a thread

A new button goes into ``widget``; whether it can be pressed is decided in ``state``.
"""
