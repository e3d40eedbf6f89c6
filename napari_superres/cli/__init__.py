"""The command line: parse arguments, call the Python API, print. It computes nothing that Python users cannot.

Nothing imports this layer; docs/explanation/architecture.md lists all imports. Begin with `app`, which lists the
commands; each command is a function in the file named below.

``app``        the program, its commands and exit codes
``terminal``   prints results to stdout and everything else to stderr; progress bars
``wording``    turns settings and functions in messages into flags and commands
``parsing``    parses the texts of options
``upscale``    ``superres upscale``
``dry_run``    ``superres upscale --dry-run``
``images``     ``superres info``, ``degrade`` and ``resample``
``evaluate``   ``superres evaluate``, ``resolution`` and ``selftest``
``trust``      ``superres calibrate``, ``trust``, ``methods`` and ``verify``
``outputs``    where reports and maps are written
``models``     ``superres models list|show|add|remove|verify|export`` and ``check``
``training``   ``superres train``
``own_data``   ``superres isotropic`` and ``adapt``, which learn from the images that they are for
``bench``      ``superres bench``
``demo``       ``superres demo``
"""


def main() -> None:
    """Run the program `superres`.

    Exit codes: 0 done, 1 error, 2 wrong usage, 3 part of a batch failed, 4 a gate was not met, 130 cancelled,
    143 terminated.
    """
    from napari_superres.cli.app import run

    run()
