"""``superres train``."""

from functools import partial
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.errors import SettingsError

if TYPE_CHECKING:
    from napari_superres.training import Recipe
    from napari_superres.training.options import TrainOptions

_own = partial(typer.Option, rich_help_panel="Your own images")

_SETTINGS_OF = {
    "bicubic": ("jpeg",),
    "optics": ("psf_sigma", "photons", "noise", "psf", "saturation", "levels"),
    "movie": ("psf_sigma", "photons", "noise", "psf", "saturation", "levels", "frames", "speed"),
    "slices": ("psf_sigma", "photons", "noise"),
    "kspace": ("noise",),
}
"""Options that each degradation takes."""

_SHAPES = ("gaussian", "widefield", "confocal")


def train(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL.safetensors", help="Model file to write.")],
    hr: Annotated[list[Path] | None, _own(help="Folder of high-resolution images; may be repeated.")] = None,
    pairs: Annotated[
        tuple[Path, Path] | None,
        _own(metavar="LR HR", help="Folders of recorded low- and high-resolution images of the same names."),
    ] = None,
    architecture: Annotated[
        str | None, _own(help="photo, or a network by name. Default: that of --start, else photo.")
    ] = None,
    scale: Annotated[
        str | None, _own(metavar="N|Z,Y,X", help="Factor along Y and X, or one per axis of volumes. Default: 2.")
    ] = None,
    degradation: Annotated[
        Literal["bicubic", "optics", "movie", "slices", "kspace"] | None,
        _own(help="Simulation of low-resolution images from --hr. Default: bicubic."),
    ] = None,
    psf_sigma: Annotated[
        str | None,
        _own(metavar="LO,HI", help="Sigma of the PSF in high-resolution pixels; 0.21 wavelength / NA for a lens."),
    ] = None,
    psf: Annotated[
        str,
        _own(
            metavar="gaussian|widefield|confocal|FILE",
            help="Shape of the PSF; or a file of superres psf, which takes the place of --psf-sigma.",
        ),
    ] = "gaussian",
    photons: Annotated[str | None, _own(metavar="LO,HI", help="Photons in the brightest pixel.")] = None,
    noise: Annotated[
        str | None, _own(metavar="LO,HI", help="Noise: electrons with --photons, else a share of the intensity range.")
    ] = None,
    saturation: Annotated[
        str | None, _own(metavar="LO,HI", help="Largest intensity of a pixel, as a share of the range.")
    ] = None,
    levels: Annotated[str | None, _own(metavar="LO,HI", help="Number of grey levels of the camera.")] = None,
    jpeg: Annotated[str | None, _own(metavar="LO,HI", help="Quality of JPEG compression, with bicubic.")] = None,
    frames: Annotated[int | None, _own(help="Number of frames of a movie that the network takes, odd.")] = None,
    speed: Annotated[
        str | None, _own(metavar="LO,HI", help="Speed in a movie, in high-resolution pixels per frame.")
    ] = None,
    like: Annotated[
        Path | None,
        _own(
            metavar="DIR", help="Raw low-resolution images of your instrument, whose noise is measured and simulated."
        ),
    ] = None,
    noisy: Annotated[
        bool, _own("--noisy", help="The images of --hr are noisy, and no clean ones exist: learn from their noise.")
    ] = False,
    repeats: Annotated[
        Path | None,
        _own(metavar="DIR", help="With --noisy: second recordings of the images of --hr, of the same names."),
    ] = None,
    neighbours: Annotated[
        bool, _own("--neighbours", help="With --noisy: split pixels, not light, where noise is not that of photons.")
    ] = False,
    register: Annotated[bool, _own("--register", help="Align the images of each pair.")] = False,
    loss: Annotated[
        Literal["l1", "charbonnier", "mse", "psnr", "bce"],
        _own(help="Loss to minimise. The last fifth of training uses mse, except with psnr and bce."),
    ] = "l1",
    ssim: Annotated[float, _own(metavar="W", help="Weight of 1 - SSIM in the loss.")] = 0.0,
    fourier: Annotated[float, _own(metavar="W", help="Weight of the distance of spectra in the loss.")] = 0.0,
    modality: Annotated[str, _own(help="Modality, for the model card.")] = "",
    license_: Annotated[str, _own("--license", help="Licence of the model, for the model card.")] = "",
    cite: Annotated[
        str, _own(metavar="'TEXT doi:10...'", help="Publication that users should cite, for the model card.")
    ] = "",
    recipe: Annotated[str | None, typer.Option(help="Name of a shipped recipe, or a TOML file.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds the folders named in the recipe.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Budget. Default: the recipe's; 12 for your own images.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Budget in steps. With --minutes, training ends when either is spent.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Model, by name or file, whose weights training starts from.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, patches and noise.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted training.")] = False,
    log: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write curves to this folder: CSV, and TensorBoard if installed.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Train a model: from high-resolution images, from pairs, or by a shipped recipe."""
    from napari_superres.models.model_file import check_model_target

    _check_sources(hr, pairs, recipe, data)
    check_model_target(output, overwrite=overwrite)
    _check_folders(*(hr or ()), *(pairs or ()), *filter(None, (data, like, repeats)))
    ranges = {
        "psf_sigma": psf_sigma,
        "photons": photons,
        "noise": noise,
        "speed": speed,
        "jpeg": jpeg,
        "saturation": saturation,
        "levels": levels,
    }
    _check_pairs(
        is_paired=pairs is not None, is_simulated=bool(degradation or like or any(ranges.values())), register=register
    )
    shape: str | dict[str, Any] = psf
    if psf not in _SHAPES:
        degradation = degradation or "optics"
        measured, ranges["psf_sigma"] = _measured_psf(Path(psf), hr, psf_sigma)
        shape = measured if "psf" in _SETTINGS_OF[degradation] else "gaussian"
    if noisy or repeats or neighbours:
        _check_noisy(noisy, hr, repeats, neighbours, is_simulated=bool(degradation or like or any(ranges.values())))
        settings, loss = _noisy_settings(repeats, neighbours), "mse"
        if settings["kind"] == "splits" and start is None and architecture is None:
            start = _shipped_start(modality, scale, quiet=quiet)
    else:
        settings = _settings(degradation or "bicubic", ranges, frames, shape)
    if like is not None:
        _check_like(degradation, ranges)
    if recipe is None and not license_:
        terminal.say("no licence is given (--license): others cannot know whether they may use the model")
    if recipe is None and like is not None:
        settings = _measure_noise(like, settings, shape, quiet=quiet)
    chosen = recipe or _own_recipe(
        output.stem,
        [pairs[1]] if pairs else hr or [],
        start=start,
        architecture=architecture,
        scale=scale,
        low=pairs[0] if pairs else repeats,
        degradation={} if pairs else settings,
        loss={"kind": loss, "ssim": ssim, "fourier": fourier},
        card={"modality": modality, "license": license_, "citation": cite},
    )
    _run(
        chosen,
        data or Path(),
        output,
        quiet=quiet,
        minutes=minutes,
        steps=steps,
        start=start,
        seed=seed,
        overwrite=overwrite,
        resume=resume,
        register=register,
        log=log,
    )


def _run(recipe: "str | Recipe", data: Path, output: Path, *, quiet: bool, **options: "Unpack[TrainOptions]") -> None:
    """Train with a progress bar, and print the scores."""
    from napari_superres.models import find_card
    from napari_superres.training import train as train_model
    from napari_superres.training.running.checkpoint import checkpoint_path

    if options["resume"] and not checkpoint_path(output).exists():
        terminal.say(f"no unfinished training of {output.name} exists: this one starts from the beginning", quiet=quiet)
    with terminal.training_bar(quiet=quiet) as show:
        path = train_model(recipe, data, output, progress=show, **options)
    scores = find_card(path).scores.get("validation", {})
    terminal.say(f"wrote {path}", quiet=quiet)
    if "psnr" in scores:
        terminal.result(f"validation: {scores['psnr']} dB; bicubic {scores['bicubic_psnr']} dB")


def _own_recipe(
    name: str,
    high: list[Path],
    *,
    start: str | None,
    architecture: str | None,
    scale: str | None,
    low: Path | None,
    degradation: dict[str, Any],
    loss: dict[str, Any],
    card: dict[str, Any],
) -> "Recipe":
    """Return a recipe for the user's images. A model that training starts from passes on its network and scale."""
    from napari_superres.models import find_card
    from napari_superres.training import make_recipe

    model = None if start is None or architecture is not None else find_card(start)
    return make_recipe(
        name,
        high,
        architecture=model.architecture if model else architecture or "photo",
        arguments={k: v for k, v in model.arguments.items() if k not in ("scale", "ndim")} if model else None,
        scale=parsing.parse_scale(scale) if scale else model.scale if model else 2,
        low=low,
        degradation=degradation,
        loss=loss,
        card=card,
    )


def _measure_noise(folder: Path, settings: dict[str, Any], psf: str | dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Return settings with the noise of the images in a folder."""
    from napari_superres.degradation.instruments import make_instrument
    from napari_superres.training import fit_instrument

    of_movies = {k: v for k, v in settings.items() if k in ("kind", "frames", "speed") and settings["kind"] == "movie"}
    measured = {**fit_instrument(folder, settings["psf_sigma"]), "psf": psf, **of_movies}
    terminal.say(f"the instrument: {make_instrument(measured).describe()}", quiet=quiet)
    return measured


def _measured_psf(path: Path, folders: list[Path] | None, psf_sigma: str | None) -> tuple[dict[str, Any], str]:
    """Return a measured PSF as a setting, and the range of its sigma in pixels of the high-resolution images."""
    from napari_superres.degradation.psf.kernel import to_record
    from napari_superres.training.recipes import measured_sigma

    if not path.exists():
        raise SettingsError(f"--psf must be {', '.join(_SHAPES)} or a file, got {path}.", remedy="Check the path.")
    if psf_sigma is not None or not folders:
        raise SettingsError("--psf FILE takes the place of --psf-sigma, for images of --hr.", remedy="Use one of them.")
    psf = parsing.read_psf(path)
    assert psf is not None
    low, high = measured_sigma(psf, folders)
    terminal.say(f"the measured PSF: sigma {low:.3g} to {high:.3g} high-resolution pixels")
    return to_record(psf), f"{low},{high}"


def _noisy_settings(repeats: Path | None, neighbours: bool) -> dict[str, Any]:
    """Return the settings of `make_instrument` for noisy images."""
    if repeats is not None:
        return {"kind": "recorded", "repeats": True}
    return {"kind": "neighbours" if neighbours else "splits"}


def _shipped_start(modality: str, scale: str | None, *, quiet: bool) -> str | None:
    """Return the shipped model that noisy images of a modality refine, and say so."""
    from napari_superres.training.recipes import find_start

    start = find_start(modality, parsing.parse_scale(scale) if scale else 2)
    if start is not None:
        terminal.say(f"training starts from {start}; --architecture photo begins with random weights", quiet=quiet)
    return start


def _check_noisy(
    noisy: bool, hr: list[Path] | None, repeats: Path | None, neighbours: bool, *, is_simulated: bool
) -> None:
    if not noisy:
        raise SettingsError(
            "--repeats and --neighbours say how noisy images are used.", remedy="Use --noisy with them."
        )
    if not hr or is_simulated:
        raise SettingsError(
            "--noisy learns from the images of --hr as they are.",
            remedy="Leave out --degradation, its settings, --like.",
        )
    if repeats is not None and (neighbours or len(hr) != 1):
        raise SettingsError("--repeats needs one folder of --hr, and no --neighbours.", remedy="Leave one of them out.")


def _check_sources(
    hr: list[Path] | None, pairs: tuple[Path, Path] | None, recipe: str | None, data: Path | None
) -> None:
    if sum(source is not None for source in (hr, pairs, recipe)) != 1 or (recipe is None) != (data is None):
        raise SettingsError(
            "training needs either images (--hr DIR), or pairs (--pairs LR HR), or a recipe with its data "
            "(--recipe NAME --data DIR)."
        )


def _check_folders(*folders: Path) -> None:
    for folder in folders:
        if not folder.exists() and not has_magic(str(folder)):
            raise SettingsError(f"{folder} does not exist.", remedy="Check the path.")


def _check_pairs(*, is_paired: bool, is_simulated: bool, register: bool) -> None:
    if is_paired and is_simulated:
        raise SettingsError(
            "recorded pairs are not degraded.", remedy="Leave out --degradation, its settings and --like, or use --hr."
        )
    if register and not is_paired:
        raise SettingsError("--register aligns recorded pairs.", remedy="Use --pairs LR HR with it.")


def _check_like(degradation: str | None, ranges: dict[str, str | None]) -> None:
    if degradation not in ("optics", "movie"):
        raise SettingsError(
            "--like measures the noise of a camera.", remedy="Use --degradation optics or --degradation movie with it."
        )
    if ranges["photons"] is not None or ranges["noise"] is not None:
        raise SettingsError("--like measures photons and noise.", remedy="Leave out --photons and --noise.")


def _settings(
    kind: str, ranges: dict[str, str | None], frames: int | None, psf: str | dict[str, Any]
) -> dict[str, Any]:
    """Return the settings of `make_instrument` from options."""
    given: dict[str, Any] = {k: parsing.parse_strength(v, k) for k, v in ranges.items() if v is not None}
    given |= ({"frames": frames} if frames is not None else {}) | ({"psf": psf} if psf != "gaussian" else {})
    if unknown := [_option(name) for name in given if name not in _SETTINGS_OF[kind]]:
        raise SettingsError(
            f"--degradation {kind} takes {', '.join(map(_option, _SETTINGS_OF[kind]))}, but not {', '.join(unknown)}."
        )
    if "noise" in given and "photons" not in given and given["noise"][1] > 1:
        raise SettingsError("--noise is a share of the intensity range, at most 1, unless --photons is given.")
    if kind in ("optics", "movie") and "psf_sigma" not in given:
        raise SettingsError(f"--degradation {kind} needs the width of the PSF.", remedy="Use --psf-sigma LO,HI.")
    if kind in ("optics", "movie") and "noise" in given:
        given["read_noise"] = given.pop("noise")
    return {"kind": kind, **given}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
