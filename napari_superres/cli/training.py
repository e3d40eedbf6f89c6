"""``superres train``."""

from glob import has_magic
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.errors import SettingsError

PANEL_OWN = "Images of one's own"

_TAKES = {
    "bicubic": ("jpeg",),
    "optics": ("psf_sigma", "photons", "noise", "psf", "saturation", "levels"),
    "movie": ("psf_sigma", "photons", "noise", "psf", "saturation", "levels", "frames", "speed"),
    "slices": ("psf_sigma", "photons", "noise"),
    "kspace": ("noise",),
}
"""Options that each degradation knows."""


def train(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL.safetensors", help="Model file to write.")],
    hr: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of high-resolution images; may be repeated.", rich_help_panel=PANEL_OWN),
    ] = None,
    pairs: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="LR HR", help="Two folders of images of the same names.", rich_help_panel=PANEL_OWN),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(help="photo, or a network by name; by default that of --start.", rich_help_panel=PANEL_OWN),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(metavar="N|Z,Y,X", help="Factor along Y and X, or of volumes; 2.", rich_help_panel=PANEL_OWN),
    ] = None,
    degradation: Annotated[
        Literal["bicubic", "optics", "movie", "slices", "kspace"] | None,
        typer.Option(help="How low-resolution images are made of --hr; bicubic.", rich_help_panel=PANEL_OWN),
    ] = None,
    psf_sigma: Annotated[
        str | None,
        typer.Option(
            metavar="LO,HI",
            help="PSF in high-resolution pixels; of a lens 0.21 wavelength / NA.",
            rich_help_panel=PANEL_OWN,
        ),
    ] = None,
    psf: Annotated[
        Literal["gaussian", "widefield", "confocal"], typer.Option(help="Its shape.", rich_help_panel=PANEL_OWN)
    ] = "gaussian",
    photons: Annotated[
        str | None, typer.Option(metavar="LO,HI", help="At the brightest pixel.", rich_help_panel=PANEL_OWN)
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="LO,HI", help="Electrons with --photons, else share of the range.", rich_help_panel=PANEL_OWN
        ),
    ] = None,
    saturation: Annotated[
        str | None,
        typer.Option(metavar="LO,HI", help="Share of the range where pixels are full.", rich_help_panel=PANEL_OWN),
    ] = None,
    levels: Annotated[
        str | None, typer.Option(metavar="LO,HI", help="Grey levels of the camera.", rich_help_panel=PANEL_OWN)
    ] = None,
    jpeg: Annotated[
        str | None,
        typer.Option(metavar="LO,HI", help="Quality of JPEG compression, with bicubic.", rich_help_panel=PANEL_OWN),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="Of a movie, seen at once: an odd number.", rich_help_panel=PANEL_OWN)
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(metavar="LO,HI", help="Of a movie: high-resolution pixels per frame.", rich_help_panel=PANEL_OWN),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Your instrument's raw low-resolution images: their noise is simulated.",
            rich_help_panel=PANEL_OWN,
        ),
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Move pairs onto each other.", rich_help_panel=PANEL_OWN)
    ] = False,
    loss: Annotated[
        Literal["l1", "charbonnier", "mse", "psnr", "bce"],
        typer.Option(
            help="What is lowered; in the last fifth the mean squared error, but after psnr and bce.",
            rich_help_panel=PANEL_OWN,
        ),
    ] = "l1",
    ssim: Annotated[float, typer.Option(metavar="W", help="Weight of 1 - SSIM.", rich_help_panel=PANEL_OWN)] = 0.0,
    fourier: Annotated[
        float, typer.Option(metavar="W", help="Weight of the distance of spectra.", rich_help_panel=PANEL_OWN)
    ] = 0.0,
    modality: Annotated[str, typer.Option(help="For the card.", rich_help_panel=PANEL_OWN)] = "",
    license_: Annotated[
        str, typer.Option("--license", help="Of the model, for the card.", rich_help_panel=PANEL_OWN)
    ] = "",
    cite: Annotated[
        str,
        typer.Option(
            metavar="'TEXT doi:10...'", help="What users shall cite, for the card.", rich_help_panel=PANEL_OWN
        ),
    ] = "",
    recipe: Annotated[str | None, typer.Option(help="Name of a shipped recipe, or a TOML file.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds the folders named in the recipe.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Budget; by default the recipe's, of your own images 12.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Budget in steps; with --minutes, whichever is spent first.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Model, by name or file, to start from.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, patches and noise.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")] = False,
    log: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write curves: CSV, and TensorBoard if there.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Train a model: from high-resolution images, from pairs, or by a shipped recipe."""
    from napari_superres.models.files import check_model_target

    if sum(wish is not None for wish in (hr, pairs, recipe)) != 1 or (recipe is None) != (data is None):
        raise SettingsError(
            "give images (--hr DIR), pairs (--pairs LR HR), or a recipe with its data (--recipe --data)."
        )
    check_model_target(output, overwrite=overwrite)
    for folder in (*(hr or ()), *(pairs or ()), *filter(None, (data, like))):
        if not folder.exists() and not has_magic(str(folder)):
            raise SettingsError(f"there is no {folder}. Check the path.")
    wishes = {
        "psf_sigma": psf_sigma,
        "photons": photons,
        "noise": noise,
        "speed": speed,
        "jpeg": jpeg,
        "saturation": saturation,
        "levels": levels,
    }
    if pairs is not None and (degradation is not None or like is not None or any(wishes.values())):
        raise SettingsError("pairs were recorded: leave out --degradation and its strengths, or give --hr.")
    if register and pairs is None:
        raise SettingsError("--register moves pairs onto each other: give --pairs LR HR.")
    if like is not None and degradation not in ("optics", "movie"):
        raise SettingsError("--like measures the noise of a camera: give --degradation optics (or movie) with it.")
    degradation = degradation or "bicubic"
    settings = _settings(degradation, wishes, frames, psf)
    if like is not None and (psf_sigma is None or photons is not None or noise is not None):
        raise SettingsError("--like measures noise: give --psf-sigma with it, and neither --photons nor --noise.")
    # What takes seconds to import comes after what can be said at once.
    from napari_superres.degradation.instruments import make_instrument
    from napari_superres.models import find_card
    from napari_superres.training import fit_instrument, make_recipe
    from napari_superres.training import train as run
    from napari_superres.training.checkpoint import checkpoint_path

    wished: Any = recipe
    if recipe is None:
        if not license_:
            terminal.say("no licence is given (--license): others may not know whether they may use the model")
        if like is not None:
            of_movies = ("kind", "frames", "speed") if degradation == "movie" else ()
            kept = {k: v for k, v in settings.items() if k in of_movies}
            settings = {**fit_instrument(like, settings["psf_sigma"]), "psf": psf, **kept}
            terminal.say(f"the instrument: {make_instrument(settings).describe()}", quiet=quiet)
        # A model that is refined keeps its network.
        refined = None if start is None or architecture is not None else find_card(start)
        wished = make_recipe(
            output.stem,
            [pairs[1]] if pairs else hr or [],
            architecture=refined.architecture if refined else architecture or "photo",
            arguments={k: v for k, v in refined.arguments.items() if k not in ("scale", "ndim")} if refined else None,
            scale=parsing.parse_scale(scale) if scale else refined.scale if refined else 2,
            low=pairs[0] if pairs else None,
            degradation=settings,
            loss={"kind": loss, "ssim": ssim, "fourier": fourier},
            card={"modality": modality, "license": license_, "citation": cite},
        )
    if resume and not checkpoint_path(output).exists():
        terminal.say(f"no unfinished training of {output.name} is there: this one begins", quiet=quiet)
    with terminal.training_bar(quiet=quiet) as show:
        written = run(
            wished,
            data or Path(),
            output,
            minutes=minutes,
            steps=steps,
            start=start,
            seed=seed,
            overwrite=overwrite,
            resume=resume,
            register=register,
            progress=show,
            log=log,
        )
    scores = find_card(written).scores.get("validation", {})
    terminal.say(f"wrote {written}", quiet=quiet)
    if "psnr" in scores:
        terminal.result(f"validation: {scores['psnr']} dB; bicubic {scores['bicubic_psnr']} dB")


def _settings(kind: str, strengths: dict[str, str | None], frames: int | None, psf: str) -> dict[str, Any]:
    """Return what `make_instrument` takes, from options."""
    given: dict[str, Any] = {k: parsing.parse_strength(v, k) for k, v in strengths.items() if v is not None}
    given |= ({"frames": frames} if frames is not None else {}) | ({"psf": psf} if psf != "gaussian" else {})
    if strange := [_option(name) for name in given if name not in _TAKES[kind]]:
        raise SettingsError(
            f"--degradation {kind} takes {', '.join(map(_option, _TAKES[kind]))}, and not {', '.join(strange)}."
        )
    if "noise" in given and "photons" not in given and given["noise"][1] > 1:
        raise SettingsError("--noise is a share of the range, at most 1, where no --photons are given.")
    if kind in ("optics", "movie") and "psf_sigma" not in given:
        raise SettingsError(f"--degradation {kind} needs --psf-sigma LO,HI.")
    if kind in ("optics", "movie") and "noise" in given:
        given["read_noise"] = given.pop("noise")
    return {"kind": kind, **given}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
