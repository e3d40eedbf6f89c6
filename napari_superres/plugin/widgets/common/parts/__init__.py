"""Docks, folding sections, what is remembered of them, and entries of lists. Nothing here knows models or images.

``docks``       the docks of the panels are tabs of one; one panel opens another
``fold``        sections that fold
``remembered``  settings and fold states, until the next session
``two_lines``   entries of a list in two lines
"""
