"""Parts that several widgets share. This folder imports no widget.

Begin with ``panel``.

``panel``            base class of all widgets: layout, jobs, what happens when the dock is closed
``staging``          whether some layers are shown alone for a while
``source_switch``    hides a layer that would show through its result
``session``          the jobs of a panel, one after another, and changes of the viewer's layers
``parts``            docks, folding sections, what is remembered of them, entries of lists
``forms``            rows with labels, choices of layers, lines of text, error notifications
``device_controls``  device, precision and tile size
``blur_noise``       what a conditioned network is told: units and words; without Qt
``blur_noise_form``  sliders for it
``card_html``        a model card as rich text
``pictures``         small pictures next to each other
``wording``          plans, progress, durations and sizes in words
``activity``         the progress bar in napari's activity dock
``library_events``   tells open widgets that the model library has changed
"""
