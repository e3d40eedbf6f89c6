"""What only a GPU can show, in one command: ``python tests/gpu/run.py OUT``.

It runs in a checkout, without installing anything. It needs Python 3.11 or newer with numpy, torch, scikit-image, scipy
and safetensors. Begin with ``run``.

``run``        the command: sections one after the other, until they are done or the time is over
``starting``   what the program finds at its start: folders of modules, wheels, a folder for its measurements
``report``     one JSON and one log, written as the sections go on; what the machine is
``cases``      the case of a section, and what cases share
``networks``   every network and every shipped model against the CPU
``tiles``      tiles against whole images, planes and volumes; statistics of whole images; turns
``precision``  16 bits against 32, and what is chosen where nobody chose
``pipeline``   graphs, pixels and windows that are not finite, streams, cancelling, memory left over
``shortage``   lack of memory at every call
``speed``      the engine next to the network alone
``rivals``     MONAI's sliding windows and a plain loop over tiles, on the same device

On a computer without a GPU, ``--tiny`` runs all of it on the CPU, whose tiles then go the way of a GPU's.
"""
