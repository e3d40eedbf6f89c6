"""The interface to napari: layers to images and back, reading and saving files, regions, preferences.

Begin with ``layers``. This folder imports no other folder of the plugin.

``layers``             layers to images and back, without moving them in the world
``field``              regions of a layer: visible field, drawn shape, current slice
``command_line``       options of a run as arguments of the command line
``labels``             settings and functions in messages, spelled as the windows name them
``reader``             File > Open
``orientation``        sagittal and coronal volumes, whose axes napari cannot slice in the order of the file
``contrast``           contrast limits of what is read on demand
``fingerprint``        notices pixels that were edited in place
``writer``             File > Save
``saving``             where dialogs offer to save a result, and in which format
``samples``            File > Open Sample
``docks``              docked widgets, and their controls by the name that a user reads
``preferences``        the plugin's settings in napari's Preferences
"""
