"""Which models there are, and loading one by name or file."""

import re
import warnings
from dataclasses import replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from napari_superres.errors import ModelFileError, SuperResWarning, UnknownModelError
from napari_superres.models.card import LARGEST_SCALE, ModelCard
from napari_superres.models.files import digest, read_card, read_weights
from napari_superres.models.remembered import recall, remember

if TYPE_CHECKING:
    from torch import nn

    from napari_superres.models.model import Model

SUFFIX = ".safetensors"

_INTERPOLATION = re.compile(r"(nearest|bicubic|lanczos)-x(\d+)(?:x(\d+))?(?:x(\d+))?")
_REACH = {"nearest": 0, "bicubic": 2, "lanczos": 3}
_CITATIONS = {
    "nearest": "",
    "bicubic": "Keys: Cubic convolution interpolation for digital image processing. 1981. "
    "doi:10.1109/TASSP.1981.1163711",
    "lanczos": "Duchon: Lanczos filtering in one and two dimensions. 1979. "
    "doi:10.1175/1520-0450(1979)018<1016:LFIOAT>2.0.CO;2",
}


def shipped_folder() -> Path:
    """Return the folder of the weights that come with the package."""
    return Path(str(files("napari_superres") / "weights"))


def list_models() -> list[ModelCard]:
    """Return the cards of all models: shipped ones by name, then interpolation at x2 to x4.

    Interpolation exists at any other integer scale too: ``bicubic-x5``, and per axis
    as ``bicubic-x2x1x1`` (ZYX).
    """
    shipped = [read_card(path) for path in sorted(shipped_folder().glob(f"*{SUFFIX}"))]
    baselines = [_interpolation_card(f"{kernel}-x{s}") for kernel in _REACH for s in (2, 3, 4)]
    return shipped + [card for card in baselines if card is not None]


def find_card(name: str | Path) -> ModelCard:
    """Return the card of a model by name or file, without loading its weights.

    Raises
    ------
    UnknownModelError
        If there is no such model; the nearest names are suggested.
    ModelFileError
        If the file is not a usable model.
    """
    card = _interpolation_card(str(name))
    return card if card is not None else _card_of(model_path(name))


def load_model(name: str | Path) -> "Model":
    """Load a model by name or from a file, in evaluation and deploy form, on the CPU.

    How far the network of a file from elsewhere looks is measured when it is first met, and remembered.

    Raises
    ------
    UnknownModelError
        If there is no such model; the nearest names are suggested.
    ModelFileError
        If the file is a pickle, damaged, or made by a newer version.

    Warns
    -----
    SuperResWarning
        If the network looks farther than its card says; the card returned says what was measured.
    """
    import torch

    from napari_superres.models.architectures import build
    from napari_superres.models.model import Model

    baseline = _interpolation_card(str(name))
    if baseline is not None:
        return Model(baseline, None)
    path = model_path(name)
    card = _card_of(path)
    network = build(card.architecture, dict(card.arguments))
    _check_shape(path, card, network)
    try:
        network.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise ModelFileError(
            f"{path.name}: weights do not fit the architecture {card.architecture!r} of its card. "
            f"The file is damaged. ({str(error).splitlines()[-1].strip()})"
        ) from error
    deploy = getattr(network, "deploy", None)
    network = network if deploy is None else deploy()
    sha256 = digest(path)
    if path.parent != shipped_folder():
        card = _with_reach(card, network, sha256)
    if card.ndim == 2:
        # Channels-last is the layout that CPU and GPU convolutions are fastest in.
        network = network.to(memory_format=torch.channels_last)
    return Model(card, network, sha256)


def model_path(name: str | Path) -> Path:
    """Return the file of a shipped model, or of one that is given by its path.

    Raises
    ------
    UnknownModelError, ModelFileError
        If there is none.
    """
    text = str(name)
    shipped = shipped_folder() / f"{text}{SUFFIX}"
    if isinstance(name, str) and "/" not in text and "\\" not in text and shipped.is_file():
        return shipped
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix or path.parent != Path():
        raise ModelFileError(f"model file {path} does not exist.")
    names = [card.name for card in list_models()]
    close = get_close_matches(text.lower(), names, n=3, cutoff=0.4)
    hint = f"Did you mean {', '.join(close)}?" if close else f"Known models: {', '.join(names)}."
    raise UnknownModelError(f"no model is called {text!r}. {hint}")


def _card_of(path: Path) -> ModelCard:
    # A file may be called anything, such as "model (1)"; a name holds what may stand in a file name.
    return replace(read_card(path), name=re.sub(r"[^\w.-]", "-", path.stem)[:100])


def _with_reach(card: ModelCard, network: "nn.Module", sha256: str) -> ModelCard:
    """Return the card of a file from elsewhere with at least the halo measured here, when the file was first met.

    A card that says too little would let tiles show.
    """
    from napari_superres.models.halo import measure_reach

    found = recall("reach").get(sha256)
    if found is None:
        reach = measure_reach(network, card.scale, channels=card.inputs, multiple=card.multiple)
        found = {"halo": reach.halo, "is_global": reach.is_global, "is_bounded": reach.is_bounded}
        remember("reach", sha256, found)
    halo = tuple(max(said, seen) for said, seen in zip(card.halo, found["halo"], strict=True))
    measured = replace(
        card, halo=halo, global_statistics=card.global_statistics or found["is_global"],
        bounded=card.bounded and found["is_bounded"],
    )  # fmt: skip
    if measured != card:
        warnings.warn(
            f"{card.name} looks farther than its card says (halo {card.halo}, measured {halo}): "
            "what was measured is used.",
            SuperResWarning, stacklevel=3,
        )  # fmt: skip
    return measured


def _check_shape(path: Path, card: ModelCard, network: "nn.Module") -> None:
    """Check that the network makes what the card says: a wrong scale would shift every pixel in silence."""
    import torch

    size = [-(-8 // m) * m for m in card.multiple]
    wanted = [1, card.channels, *(n * s for n, s in zip(size, card.scale, strict=True))]
    try:
        with torch.inference_mode():
            found = list(network.eval()(torch.zeros(1, card.inputs, *size)).shape)
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{path.name}: the network does not take {card.inputs} channels of a {card.ndim}-D image, "
            "as its card says. The file is damaged."
        ) from error
    if found != wanted:
        raise ModelFileError(
            f"{path.name}: the network makes {found} where its card promises {wanted}. The file is damaged."
        )


def _interpolation_card(name: str) -> ModelCard | None:
    match = _INTERPOLATION.fullmatch(name)
    if match is None:
        return None
    kernel, *factors = match.groups()
    given = tuple(int(f) for f in factors if f is not None)
    scale = given * 2 if len(given) == 1 else given
    if min(scale) < 1 or max(scale) > LARGEST_SCALE or max(scale) == 1:
        return None
    return ModelCard(
        name=name,
        title=f"{kernel.capitalize()} interpolation",
        architecture="interpolation",
        arguments={"kernel": kernel},
        scale=scale,
        halo=tuple(_REACH[kernel] if s > 1 else 0 for s in scale),
        intensity="none",
        color="per-channel",
        degradation="none: a baseline without learning",
        license="BSD-3-Clause",
        citation=_CITATIONS[kernel],
    )
