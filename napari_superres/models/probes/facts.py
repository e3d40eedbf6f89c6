"""What a card says that can be measured, kept between runs by the sha256 of the model file.

A card is never believed about these facts. They are measured before a model is first used on a computer.
"""

from dataclasses import replace

from napari_superres.models.card import ModelCard
from napari_superres.models.probes.cache import recall, remember

_TOPIC = "measured"
_METHOD = 1
"""Version of the measurements. Facts that another version measured are measured again."""

_FACTS = ("multiple", "halo", "global_statistics", "bounded", "tile_error", "grid_offset")
_SAME_OFFSET = 0.02
_SAME_ERROR = 1.1


def recall_facts(card: ModelCard, sha256: str) -> ModelCard | None:
    """Return the card with the facts that were measured on this computer; None if they were not."""
    return recall(_TOPIC, _key(sha256), lambda facts: replace(card, **{name: facts[name] for name in _FACTS}))


def remember_facts(card: ModelCard, sha256: str) -> None:
    """Remember the facts on a card, which were measured, for the model file of this sha256."""
    remember(_TOPIC, _key(sha256), {name: getattr(card, name) for name in _FACTS})


def with_facts(card: ModelCard, measured: ModelCard) -> ModelCard:
    """Return a card with the facts of another one, which were measured."""
    return replace(card, **{name: getattr(measured, name) for name in _FACTS})


def correction(stated: ModelCard, measured: ModelCard) -> str:
    """Return what a card says wrongly, in a sentence; empty if nothing is wrong that matters to a result."""
    wrong = {
        "multiple": stated.multiple != measured.multiple,
        "halo": measured.bounded and any(m > s for s, m in zip(stated.halo, measured.halo, strict=True)),
        "global_statistics": measured.bounded and measured.global_statistics and not stated.global_statistics,
        "bounded": stated.bounded != measured.bounded,
        "tile_error": _is_understated(stated.tile_error, measured.tile_error) and not stated.bounded,
        "offset": any(abs(s - m) > _SAME_OFFSET for s, m in zip(stated.offset, measured.offset, strict=True)),
    }
    facts = [
        f"{name.replace('_', ' ')} {_text(getattr(stated, name))}, measured {_text(getattr(measured, name))}"
        for name, is_wrong in wrong.items()
        if is_wrong
    ]
    if not facts:
        return ""
    return f"The card of {stated.name} is wrong: {'; '.join(facts)}. The measured values are used."


def _key(sha256: str) -> str:
    return f"{sha256}|{_METHOD}"


def _is_understated(stated: float | None, measured: float | None) -> bool:
    return stated is not None and (measured is None or measured > _SAME_ERROR * stated)


def _text(value: object) -> str:
    return f"({', '.join(f'{v:g}' for v in value)})" if isinstance(value, tuple) else str(value)
