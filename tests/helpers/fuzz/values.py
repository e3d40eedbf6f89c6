"""Values that programs stumble over, and damage to bytes without knowledge of what they mean."""

import struct
import zlib
from functools import cache
from random import Random

INTEGERS = (0, 1, 2, 3, 7, 8, 16, 255, 256, 32767, 32768, 65535, 65536, 10**6, 2**31 - 1, 2**31, 2**32 - 1, 2**32)
LARGE = (2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30)
FLOATS = (0.0, -0.0, 1e-300, 1e-30, 1e30, 1e300, -1.0, float("nan"), float("inf"), float("-inf"))
NAMES = (
    "/etc/passwd",
    "../../outside.raw",
    "/dev/zero",
    "LOCAL",
    "LIST",
    "-",
    "",
    ".",
    "x" * 300,
    "a\0b",
    "%d",
    "%n%s",
)


def integer(rng: Random) -> int:
    """Return an integer at one of the borders of computers."""
    value = rng.choice(INTEGERS + LARGE) if rng.random() < 0.8 else rng.randrange(1, 5000)
    return -value if rng.random() < 0.2 else value


def packed(rng: Random, size: int, order: str = "") -> bytes:
    """Return an integer or, for 4 and 8 bytes, sometimes a float in so many bytes."""
    order = order or rng.choice("<>")
    if size in (4, 8) and rng.random() < 0.2:
        value = rng.choice(FLOATS[:2] + FLOATS[6:])
        return struct.pack(order + ("f" if size == 4 else "d"), value)
    return (integer(rng) % (1 << 8 * size)).to_bytes(size, "little" if order == "<" else "big")


@cache
def packed_zeros(count: int, *, gzip: bool = False) -> bytes:
    """Return so many zeros as one stream of zlib or gzip, about a thousandth of their length."""
    packer = zlib.compressobj(1, wbits=31 if gzip else 15)
    step = 2**20
    pieces = [packer.compress(bytes(min(step, count - at))) for at in range(0, count, step)]
    return b"".join(pieces) + packer.flush()


def damage_bytes(rng: Random, data: bytes) -> bytes:
    """Return data with bits flipped, a number overwritten, or a part cut off, removed, repeated or inserted."""
    if not data:
        return rng.randbytes(rng.randrange(1, 40))
    raw = bytearray(data)
    # Headers come first.
    at = rng.randrange(min(len(raw), 600)) if rng.random() < 0.6 else rng.randrange(len(raw))
    length = rng.randrange(1, 1 + min(64, len(raw) - at))
    how = rng.randrange(6)
    if how == 0:
        for _ in range(rng.choice((1, 1, 4, 30))):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    elif how == 1:
        size = rng.choice((1, 2, 4, 8))
        raw[at : at + size] = packed(rng, size)
    elif how == 2:
        del raw[rng.randrange(len(raw)) :]
    elif how == 3:
        del raw[at : at + length]
    elif how == 4:
        raw[at:at] = raw[at : at + length] * rng.choice((1, 2, 50))
    else:
        raw[at:at] = rng.randbytes(length)
    return bytes(raw)
