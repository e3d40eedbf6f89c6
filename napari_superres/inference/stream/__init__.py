"""Results larger than memory: computed box by box, by any number of processes, resumed after interruptions.

Begin with ``stream_file``. A result is divided into boxes of whole shards. One process at a time computes and stores a
box, and a box enters the journal when it is safe on the disk; finished boxes are never computed again. Within
`napari_superres.inference`, only ``files`` imports this folder.

``stream_file``  starts or resumes a run, computes the missing boxes, and puts the result into its place
``resume``       what a journal must have in common with the present run, and the job that continues it
``source``       `Source`: the input, its identity, and whether it stays the same
``boxes``        `Job`: what a process needs to compute boxes
``journal``      the journal of finished boxes, and the folder of an unfinished result
``remote_journal``  the same in an object store
``entries``      the entries of a journal, checked before they are used
``workers``      executors: this process, a cluster on this computer, or a remote scheduler
``local_cluster``  a cluster of processes on this computer
``fork_server``  the process from which its workers are forked
"""
