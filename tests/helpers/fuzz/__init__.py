"""Fuzzing: files of every kind that the program reads, damaged at random but with regard to their structure.

``python -m helpers.fuzz --cases 20000`` (``make fuzz``) damages files and reads them in processes of their own. A case
fails if it ends in an error that is not ours, kills the process, takes 5 seconds, or allocates more than the rule in
`napari_superres.limits` allows. The number of a case and the seed decide everything about it, so a failure can be
repeated: ``python -m helpers.fuzz --seed 1 --only 1234``.

``kinds``     the table of kinds; add a new kind there
``case``      `Kind`, `Sample`, and how a case is made of them
``values``    values that programs stumble over, and damage to bytes
``text``      damage to JSON, and to headers and settings made of lines
``tiff``, ``pictures``, ``volumes``, ``dicom``, ``zarrs``   samples and damage of one family of formats each
``state``     recipes, journals, records and calibrations
``bombs``     small files that claim much
``worker``    the process that reads
``run``       the process that watches
"""
