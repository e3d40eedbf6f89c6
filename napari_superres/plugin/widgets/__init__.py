"""The widgets, a folder each: ``upscale`` (Super-resolve), ``compare``, ``batch``, ``train`` and ``models``.

Begin with the folder's ``widget``. Its ``state`` is what the widget knows and shows, without Qt. ``common`` holds what
several widgets share. Only the manifest and ``plugin.demo`` import a widget.
"""
