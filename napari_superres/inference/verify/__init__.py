"""Whether a file is the output of the input and the model that its record names.

Begin with ``verify.verify_result``. Nothing here trusts the record: files are identified by digest, and pixels are
computed again. A record is not signed: whoever can write the result can write a record that fits it.

``verify``   `verify_result`: all checks of a result, and of the files that it was made from
``records``  what a record says: its files, found by digest, and the options of its run
``tiles``    a few tiles of a result, computed again
``steps``    `degrade_file`, `resample_file`, `measure_psf_file`: steps with a record of their own, and repeated
"""
