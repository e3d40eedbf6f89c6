"""Other computers that compute for this one, reached through a dask scheduler.

Begin with ``elsewhere``. The plan is made here; windows of the image travel to the workers as arrays, and the cores of
the result come back. The workers need no disk in common.

``connection``  connects to a scheduler, and what its workers must have
``elsewhere``   sends batches of tiles, takes their results, and computes what is lost here
``worker``      what runs in a worker
"""
