"""What a file of unknown origin may make the program do: how much memory, how deep, which other files.

This layer imports nothing. All that read files use it.

``free``     memory that is free now
``memory``   the one rule for memory: no header is believed beyond what its file can hold
``packed``   how long compressed data are, before they are unpacked
``nesting``  JSON and TOML that end in an error however deep they are
``paths``    pipes and devices, and names that lead elsewhere
"""

from napari_superres.limits.free import free_memory
from napari_superres.limits.memory import COPIES, SPARE_BYTES, Packing, most_bytes
from napari_superres.limits.nesting import parse_json, parse_toml, read_json
from napari_superres.limits.packed import Codec, Readable, inflate, unpacked_length
from napari_superres.limits.paths import is_inside, is_link_or_special, is_special

__all__ = [
    "COPIES",
    "SPARE_BYTES",
    "Codec",
    "Packing",
    "Readable",
    "free_memory",
    "inflate",
    "is_inside",
    "is_link_or_special",
    "is_special",
    "most_bytes",
    "parse_json",
    "parse_toml",
    "read_json",
    "unpacked_length",
]
