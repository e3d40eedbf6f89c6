"""Damage to checkpoints of torch: the operations of their pickles, and the functions that these name."""

import io
import pickletools
import zipfile
from collections.abc import Mapping
from random import Random

_FUNCTIONS = (
    *("__builtin__ bytearray", "__builtin__ set", "collections Counter", "collections OrderedDict", "_codecs encode"),
    *("torch Size", "torch device", "torch FloatTensor", "torch FloatStorage", "torch float32", "os system"),
    *("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_sparse_tensor", "torch._utils _rebuild_parameter"),
    *("torch._utils _rebuild_meta_tensor_no_storage", "torch.nn.parameter Parameter", "torch.storage UntypedStorage"),
)
_NUMBERS = (0, 1, -1, 255, 2**16, 2**30, 2**31 - 1)
_PUSHES = (b")", b"}", b"]", b"(", b"t", b"\x85", b"\x86", b"R", b"\x81", b"b", b"s", b"u", b"0", b"2", b"h\0", b"Q")
"""Operations: an empty tuple, dict and list; a mark; tuples; a call; a new object; its state; items; and so on."""


def damage_checkpoint(rng: Random, data: bytes) -> bytes:
    """Return a checkpoint whose pickle has other operations; its tensors stay."""
    members = read_members(data)
    name = next(n for n in members if n.endswith("data.pkl"))
    for _ in range(rng.choice((1, 1, 2, 5))):
        members[name] = damage_pickle(rng, members[name])
    return write_members(members)


def damage_members(rng: Random, data: bytes) -> bytes:
    """Return a zip file with a member left out, emptied, repeated under another name, or cut."""
    members = read_members(data)
    name = rng.choice(sorted(members))
    how = rng.randrange(4)
    if how == 0:
        del members[name]
    elif how == 1:
        members[name] = b""
    elif how == 2:
        members["../" * rng.randrange(2) + name + "2"] = members[name]
    else:
        members[name] = members[name][: len(members[name]) // 2]
    return write_members(members)


def damage_pickle(rng: Random, data: bytes) -> bytes:
    """Return a pickle with one of its operations changed, removed, repeated or added."""
    try:
        starts = [at for _, _, at in pickletools.genops(data) if at is not None]
    except (ValueError, UnicodeDecodeError):
        return data
    parts = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    at = rng.randrange(len(parts))
    how = rng.random()
    if how < 0.25:
        calls = [i for i, part in enumerate(parts) if part[:1] == b"c"]
        parts[rng.choice(calls or [at])] = b"c" + rng.choice(_FUNCTIONS).replace(" ", "\n").encode() + b"\n"
    elif how < 0.5:
        numbers = [i for i, part in enumerate(parts) if part[:1] in (b"K", b"M", b"J")]
        parts[rng.choice(numbers or [at])] = b"J" + rng.choice(_NUMBERS).to_bytes(4, "little", signed=True)
    elif how < 0.65:
        del parts[at]
    elif how < 0.75:
        parts[at:at] = parts[at : at + rng.randrange(1, 12)] * rng.choice((1, 2, 30))
    elif how < 0.9:
        parts.insert(at, rng.choice(_PUSHES))
    else:  # a tuple that holds itself many times
        parts[at:at] = [b")", *[b"q\x01h\x01\x86"] * 40, b"0"]
    return b"".join(parts)


def read_members(data: bytes) -> dict[str, bytes]:
    """Return the files in a zip file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(members: Mapping[str, bytes]) -> bytes:
    """Return a zip file, uncompressed as those of torch."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()
