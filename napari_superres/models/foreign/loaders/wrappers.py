"""Where in a checkpoint the weights of the network are.

Training programs keep them under a name of their own, next to those of optimizers and of other networks, and put a
prefix before each tensor's name. Nothing in a file says which prefix belongs to the network, so all readings are tried.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

_LEVELS = 6
"""Levels of mappings and lists in which a checkpoint may keep the weights."""

_MOST_READINGS = 24

_PREFERRED = re.compile(r"ema|averaged", re.IGNORECASE)
_USUAL = re.compile(
    r"^(params|state_dict|model_state_dict|model|net|network|weights|generator|net_?g|g)$", re.IGNORECASE
)
_OTHERS = re.compile(r"optim|sched|loss|discrim|^net_?d|^d$|vgg|lpips|percept|teacher", re.IGNORECASE)
"""Names of mappings: averaged weights, which authors publish, come first; those of other things are left out."""

_PREFIXES = re.compile(
    r"^(?:(?:module|_orig_mod|model|net|network|generator|net_?g|g|ema_model|model_ema|ema|student|sr_?model)\.)+",
    re.IGNORECASE,
)


def readings(content: Any) -> Iterator[dict[str, Tensor]]:
    """Yield the tensors that may be a network's, by name: the likeliest first.

    Parameters
    ----------
    content
        What the file holds: tensors in mappings, in others, in lists, and under names that may not be texts.
    """
    count, seen = 0, set[tuple[str, ...]]()
    for tensors in sorted(_groups(content, _LEVELS, 1, set()), key=lambda group: group[0]):
        for reading in _without_prefixes(tensors[1]):
            key = tuple(reading)
            if key in seen:
                continue
            seen.add(key)
            yield reading
            count += 1
            if count == _MOST_READINGS:
                return


def _groups(content: Any, levels: int, rank: int, seen: set[int]) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Yield the mappings of names to tensors, each with a number that is small for likely ones."""
    if isinstance(content, list | tuple):
        content = {f"item {i}": item for i, item in enumerate(content) if isinstance(item, Mapping)}
    # A mapping may hold itself, or another one many times.
    if not isinstance(content, Mapping) or id(content) in seen:
        return
    seen.add(id(content))
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if any(t.is_floating_point() and t.ndim > 0 for t in tensors.values()):
        yield rank, tensors
    if not levels:
        return
    for name, inner in content.items():
        if isinstance(name, str) and isinstance(inner, Mapping | list | tuple) and not _OTHERS.search(name):
            likely = 0 if _PREFERRED.search(name) else 1 if _USUAL.search(name) else 2
            yield from _groups(inner, levels - 1, rank * 3 + likely, seen)


def _without_prefixes(tensors: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the tensors as they are named, then without what all names begin with, then those under a known prefix."""
    yield tensors
    common = {name: tensor for name, tensor in tensors.items() if not _OTHERS.search(name.partition(".")[0])}
    while common:
        first = {name.partition(".")[0] for name in common}
        if len(first) != 1 or not all("." in name for name in common):
            break
        common = {name.partition(".")[2]: tensor for name, tensor in common.items()}
        yield common
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if match := _PREFIXES.match(name):
            groups.setdefault(match.group().lower(), {})[name[match.end() :]] = tensor
    for prefix in sorted(groups, key=lambda p: not _PREFERRED.search(p)):
        yield groups[prefix]
