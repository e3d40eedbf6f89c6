"""Results larger than memory, on any number of processes, surviving interruption.

A result is cut into boxes of whole shards. A box is computed and stored by one process at a time, and
recorded when it is safe on the disk; what is recorded is never done again.

``job``      what a process needs to compute boxes: source, models, plans, target
``journal``  the record of finished boxes, and the folder of an unfinished result
``workers``  who computes: this process, a cluster of processes here, or one's own scheduler
``run``      `stream_file`: begin or go on, compute what is missing, put the result in its place
"""
