"""The napari plugin: the only folder that knows napari, Qt and magicgui. Nobody imports it.

``layers``          layers to images and back, each exactly where it was
``reader``, ``writer``, ``samples``   File > Open, Save and Open Sample
``upscale_widget``  Super-resolve, with its controls (``upscale_forms``), ``region``, ``preview``, the result as it is
                    made (``growing``) and the run as text (``snippets``)
``compare_widget``  Compare, with ``answers`` and ``maps`` that it shows
``batch_widget``    Batch, with ``batch_run`` (files and thread), ``batch_settings``, ``batch_table``
``train_widget``    Train, with ``train_forms``, ``degradation_form`` and ``simulation`` (its pictures), ``curves``,
                    ``train_work`` (thread)
``models_widget``   Models, with ``model_list``, ``model_facts``, ``library_work`` (thread) and ``library_events``
``disk``            results that do not fit into memory
``preferences``     what the user set in napari's Preferences
``field``           which part of a layer is meant: visible, drawn, the current slice
``forms``           what all widgets are made of; ``computing`` device, precision and tile
``cards``, ``wording``   a model card, a plan and a run in words
``pixel_size``      giving a layer the pixel size its file did not state
``engine``          what is asked of the engine in a thread
``triton``          keeping torch's compiler and the graphics driver apart
``job``             one computation in a thread: steps, progress, cancel, errors
``demo``            the viewer with a sample and the widget open; takes the picture of the README

Layers are touched only on the GUI thread. Torch arrives in a thread when a widget opens, because
its import would freeze the window; no command of the manifest needs it.
"""
