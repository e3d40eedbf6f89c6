"""The command line: parse, call, print. Nothing is computed here that the Python API cannot do.

``app``        the program and its commands
``terminal``   where output goes: results to stdout, everything else to stderr
``parsing``    option texts into values
``upscale``    ``superres upscale``, and ``dry_run`` what it would do
``evaluate``   ``superres evaluate``, ``resolution`` and ``selftest``
``models``     ``superres models list|show|add|remove|verify|export`` and ``check``
``images``     ``superres info`` and ``degrade``
``bench``      ``superres bench``
``training``   ``superres train``
``demo``       ``superres demo``
"""


def main() -> None:
    """Run the program.

    Exit codes: 0 done, 1 error, 2 wrong usage, 3 part of a batch failed, 4 a gate was not met, 130 cancelled,
    143 terminated.
    """
    from napari_superres.cli.app import run

    run()
