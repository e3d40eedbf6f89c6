"""Parts that several widgets share. This folder imports no widget.

Begin with ``panel``.

``panel``            base class of all widgets: layout, jobs, what happens when the dock is closed
``place``             where to compute: this computer, or a cluster by its address
``session``          the jobs of a panel, one after another, and changes of the viewer's layers
``forms``            rows with labels, choices of layers, lines of text, error notifications
``device_controls``  device, precision and tile size
``blur_noise``       what a conditioned network is told: units and words; without Qt
``blur_noise_form``  sliders for it
``card_html``        a model card as rich text
``wording``          plans, progress, durations and sizes in words
``activity``         the progress bar in napari's activity dock
``library_events``   tells open widgets that the model library has changed
"""
