"""The napari plugin: the only folder that knows napari, Qt and magicgui. Nobody imports it.

A folder per widget, each with its ``widget`` and what that alone needs: ``upscale`` (Super-resolve), ``compare``,
``batch``, ``train``, ``models``. What they share:

``layers``          layers to images and back, each exactly where it was
``reader``, ``writer``, ``samples``   File > Open, Save and Open Sample
``field``           which part of a layer is meant: visible, drawn, the current slice
``forms``           what all widgets are made of; ``computing`` device, precision and tile
``cards``, ``wording``   a model card, a plan and a run in words
``job``             one computation in a thread: steps, progress, cancel, errors; ``activity`` its bar in the dock
``engine``          what is asked of the engine in a thread; ``disk`` results that do not fit into memory
``library_events``  who is told when the library of models changes
``preferences``     what the user set in napari's Preferences
``triton``          keeping torch's compiler and the graphics driver apart
``demo``            the viewer with a sample and the widget open

Layers are touched only on the GUI thread. Torch arrives in a thread when a widget opens, because
its import would freeze the window; no command of the manifest needs it.
"""
