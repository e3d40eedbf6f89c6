"""What napari asks of a plugin, and how its layers become images and back.

Begin with ``layers``. Every room of the plugin may import this one; it imports none of them.

``layers``             layers to images and back, each exactly where it was
``reader``, ``writer``, ``samples``   File > Open, Save and Open Sample
``field``              the part of a layer that is meant: visible, drawn, the current slice
``preferences``        what the user set in napari's Preferences
"""
