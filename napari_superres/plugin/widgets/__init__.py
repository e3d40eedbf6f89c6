"""The widgets, a folder each: ``upscale`` (Super-resolve), ``compare``, ``batch``, ``train`` and ``models``.

Every folder has the same files: ``state`` is what the widget knows and shows, and whether a button can be pressed, as a
frozen value without Qt; ``widget`` creates the controls and binds them to the state; ``work``, where there is one, is
what runs in a thread. To add a button, create it in ``widget`` or in the file of its section, and decide in ``state``
when it can be pressed. ``common`` holds what several widgets share. Of the code, only ``plugin.demo`` imports a widget;
napari finds the others by the manifest ``napari.yaml``.
"""
