"""Parse the texts of options into values; every error names the option, the form it takes and the text."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_superres.errors import SettingsError
from napari_superres.limits import read_json

if TYPE_CHECKING:
    from napari_superres import Image


def parse_tile(text: str) -> int | tuple[int, ...] | Literal["auto"]:
    """Return ``auto``, one number, or one per axis, such as ``16,128,128``."""
    if text == "auto":
        return "auto"
    numbers = _integers(text, "tile", "auto, one number such as 256, or one per axis such as 16,128,128")
    return numbers[0] if len(numbers) == 1 else numbers


def parse_scale(text: str) -> int | tuple[int, ...]:
    """Return one factor, or one per axis, such as ``3,1,1``."""
    numbers = _integers(text, "scale", "a factor such as 2, or one per axis of volumes such as 3,1,1")
    return numbers[0] if len(numbers) == 1 else numbers


def parse_channels(text: str | None) -> tuple[int, ...] | None:
    """Return channel indices from ``0,2``."""
    return None if text is None else _integers(text, "channels", "indices such as 0,2")


def parse_roi(text: str | None) -> dict[str, tuple[int, int]] | None:
    """Return ranges from ``y0:y1,x0:x1``, ``z0:z1,y0:y1,x0:x1``, or with names, ``T=3:4,X=0:512``."""
    if text is None:
        return None
    parts = text.split(",")
    try:
        if all("=" in part for part in parts):
            names: str | None = "".join(part.split("=")[0].strip().upper() for part in parts)
            parts = [part.split("=")[1] for part in parts]
        else:
            names = {2: "YX", 3: "ZYX"}.get(len(parts))
        if names is None:
            raise ValueError
        pairs = [tuple(int(v) for v in part.split(":")) for part in parts]
        return {a: (start, stop) for a, (start, stop) in zip(names, pairs, strict=True)}
    except (ValueError, IndexError) as error:
        raise SettingsError(
            f"--roi must be y0:y1,x0:x1 or z0:z1,y0:y1,x0:x1, or name its axes as in T=3:4,Y=0:512,X=0:512, "
            f"got {text!r}."
        ) from error


def parse_range(texts: Sequence[str] | None) -> list[tuple[float, float]] | None:
    """Return ``(low, high)`` pairs from ``low,high`` texts."""
    if not texts:
        return None
    return [_pair(text, "intensity-range", "0,4095") for text in texts]


def read_psf(path: Path | None) -> "Image | None":
    """Return the point-spread function in a file."""
    from napari_superres.io import read_image

    return None if path is None else read_image(path)


def parse_psf(text: str | None) -> "Image | Literal['metadata'] | None":
    """Return ``"metadata"`` as it is, or the point-spread function in a file."""
    return "metadata" if text == "metadata" else read_psf(None if text is None else Path(text))


def parse_noise(texts: Sequence[str] | None) -> Any:
    """Return ``"measured"``, 0, or gain and read noise from ``0.5,3`` or ``0.5,3,100``, once or per channel."""
    if not texts or list(texts) == ["measured"]:
        return "measured"
    try:
        values = [(0.0, 0.0) if text == "0" else tuple(float(v) for v in text.split(",")) for text in texts]
    except ValueError:
        values = [()]
    if any(len(value) not in (2, 3) for value in values):
        raise SettingsError(
            f"--noise must be measured, 0, or GAIN,READ or GAIN,READ,OFFSET such as 0.5,3,100, got {' '.join(texts)!r}."
        )
    return values[0] if len(values) == 1 else values


def parse_strength(text: str, option: str) -> tuple[float, float]:
    """Return the lowest and highest value from ``low,high``; a single number is both."""
    option = option.replace("_", "-")
    low, high = _pair(text if "," in text else f"{text},{text}", option, "0.8,2.2")
    positive = option in ("photons", "saturation", "levels")
    if not 0 <= low <= high < float("inf") or (positive and low == 0):
        least = "above 0" if positive else "of at least 0"
        raise SettingsError(f"--{option} must be a range low,high of numbers {least}, got {text!r}.")
    return low, high


def parse_pixel_size(text: str | None, option: str = "--pixel-size") -> float | tuple[float, ...] | None:
    """Return a pixel size from ``0.1``, or one per axis from ``0.5,0.1,0.1``."""
    if text is None:
        return None
    try:
        numbers = tuple(float(v) for v in text.split(","))
    except ValueError as error:
        raise SettingsError(f"{option} must be a number, or one per axis such as 0.5,0.1,0.1, got {text!r}.") from error
    return numbers[0] if len(numbers) == 1 else numbers


def parse_model(text: str) -> str | Path | dict[int | str, str | Path]:
    """Return a model's name, or one per channel from ``0=fluo-x2,GFP=bicubic-x2``."""
    if "=" not in text or Path(text).exists():
        return text
    choice: dict[int | str, str | Path] = {}
    for part in text.split(","):
        channel, _, name = part.partition("=")
        if not channel or not name:
            raise SettingsError(f"--model must be NAME, a file, or CHANNEL=NAME,..., got {text!r}.")
        key: int | str = int(channel) if channel.isdigit() else channel
        if key in choice:
            raise SettingsError(f"--model names channel {channel} twice, got {text!r}.")
        choice[key] = name
    return choice


def choose_name(model: str | None, *, isotropic: bool) -> str | Path | dict[int | str, str | Path] | None:
    """Return the model that --model names, or the one that stands for --isotropic."""
    from napari_superres.models.choice.choose import AUTO, ISOTROPIC

    if not isotropic:
        return None if model is None else parse_model(model)
    name, colon, kind = (model or AUTO).partition(":")
    if name != AUTO:
        raise SettingsError(
            f"--isotropic chooses the model, got --model {model}.", remedy="Give one of the two, or --model auto:KIND."
        )
    return f"{ISOTROPIC}{colon}{kind}"


def parse_record(path: Path) -> tuple[str | dict[int | str, str | Path], dict[str, Any]]:
    """Return the model, or one per channel, and the settings that determine the pixels, from a result's record."""
    try:
        record = read_json(path)
        norm = record["normalisation"]
        settings = {
            "precision": record["precision"],
            "tta": record["tta"],
            "intensity_range": list(zip(norm["low"], norm["high"], strict=True)),
            **_told(record.get("told")),
        }
        parts = record.get("per_channel")
        if parts is None:
            return str(record["model"]["name"]), settings
        return {int(part["channels"][0]): str(part["model"]["name"]) for part in parts}, settings
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise SettingsError(
            f"--from needs the record of a result, but {path} is missing or is no record.",
            remedy="Choose the .provenance.json next to the result.",
        ) from error


def _told(told: dict[str, Any] | None) -> dict[str, Any]:
    """Return the options that tell a network what it was told before."""
    if told is None:
        return {}
    noise = [(n["gain"], n["read_noise"], n["offset"]) for n in told["noise"]]
    return {"noise": noise, "strength": told["strength"], "psf_sigma": told["psf_sigma"] or None}


def _integers(text: str, option: str, form: str) -> tuple[int, ...]:
    try:
        return tuple(int(v) for v in text.split(","))
    except ValueError as error:
        raise SettingsError(f"--{option} must be {form}, got {text!r}.") from error


def _pair(text: str, option: str, example: str) -> tuple[float, float]:
    try:
        low, high = (float(v) for v in text.split(","))
    except ValueError as error:
        raise SettingsError(f"--{option} must be low,high such as {example}, got {text!r}.") from error
    return low, high
