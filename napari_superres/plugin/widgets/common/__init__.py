"""What all widgets are made of. Every widget imports this room; it imports none of them.

``panel``            the base of all widgets: layout, status line, progress
``device_controls``  device, precision and tile size
``card_html``        a model card, with its scores
``wording``          a plan and a run in words
``activity``         a computation's bar in napari's activity dock
``library_events``   tells widgets that the library of models changed
"""
