"""``superres info``, ``superres degrade``, ``superres resample`` and ``superres psf``."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.errors import SuperResError


def info(
    file: Annotated[Path, typer.Argument(help="File or folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    redact: Annotated[
        bool, typer.Option("--redact", help="Leave out all names, so that the output can be passed on.")
    ] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Also read data that the file names elsewhere.")] = False,
) -> None:
    """Print what a file holds: axes, shape, data type, pixel size."""
    from napari_superres.io import describe

    rows = describe(file, redact=redact, trust=trust)
    if as_json:
        terminal.document(rows)
        return
    for row in rows:
        if row.pop("axes_guessed", False):
            row["axes"] += " (a guess: say so to other commands, with --axes)"
        for key, value in row.items():
            if value not in (None, [], {}):
                terminal.result(f"{key.replace('_', ' ') + ':':15} {value}")
        if row["pixel_size"] is None:
            terminal.result("pixel size:     unknown (upscale takes --pixel-size and --unit)")


def degrade(
    source: Annotated[Path, typer.Argument(metavar="HR", help="High-resolution image, or a folder of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="LR", help="File or folder to write.")],
    scale: Annotated[str, typer.Option(metavar="N|Z,Y,X", help="Factor along Y and X, or one per axis of a volume.")],
    kernel: Annotated[
        Literal["bicubic", "gaussian", "widefield", "confocal", "measured", "kspace"] | None,
        typer.Option(
            help="Antialiased bicubic; a PSF with binning; or truncation of k-space (MRI). By default bicubic, "
            "measured with --psf, or gaussian with --psf-sigma, --photons or --read-noise."
        ),
    ] = None,
    psf_sigma: Annotated[
        float | None, typer.Option(help="Standard deviation of a Gaussian PSF, in high-resolution pixels.")
    ] = None,
    psf: Annotated[Path | None, typer.Option(metavar="FILE", help="PSF measured by superres psf.")] = None,
    na: Annotated[float | None, typer.Option(help="Numerical aperture of the microscope.")] = None,
    wavelength: Annotated[float | None, typer.Option(help="Wavelength of its light, in micrometres.")] = None,
    pixel_size: Annotated[str | None, typer.Option(metavar="P", help="Pixel size, if the file does not say.")] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "micrometer",
    photons: Annotated[float | None, typer.Option(help="Photons at the brightest pixel; adds photon noise.")] = None,
    read_noise: Annotated[
        float | None,
        typer.Option(help="Standard deviation of the read noise, in electrons with --photons, else in grey levels."),
    ] = None,
    offset: Annotated[float, typer.Option(help="Constant that the camera adds, in grey levels.")] = 0.0,
    saturation: Annotated[float | None, typer.Option(help="Grey level at which the camera saturates.")] = None,
    jpeg: Annotated[
        int | None, typer.Option(min=1, max=100, help="Quality of the JPEG compression in the last step.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random noise.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Also read data that the file names elsewhere.")] = False,
) -> None:
    """Simulate a low-resolution image from a high-resolution one, or those of a folder under the same names."""
    from napari_superres import io
    from napari_superres.inference import degrade_file, degrade_files

    if kernel is None:
        is_ideal = all(value is None for value in (psf_sigma, photons, read_noise))
        kernel = "measured" if psf is not None else "bicubic" if is_ideal else "gaussian"
    settings: dict[str, Any] = {
        "overwrite": overwrite,
        "reading": {"pixel_size": parsing.parse_pixel_size(pixel_size), "unit": unit, "trust": trust},
        "scale": parsing.parse_scale(scale),
        "kernel": kernel,
        "psf_sigma": psf_sigma,
        "psf": parsing.read_psf(psf),
        "na": na,
        "wavelength": wavelength,
        "photons": photons,
        "read_noise": read_noise,
        "offset": offset,
        "saturation": saturation,
        "jpeg": jpeg,
        "seed": seed,
    }
    if not source.is_dir() or io.find_images(source) == [source]:
        degrade_file(source, output, **settings)
        terminal.say(f"wrote {output}")
        return
    failures = 0
    for name, outcome in degrade_files(source, output, **settings):
        failures += isinstance(outcome, SuperResError)
        terminal.say(f"failed {name}: {outcome}" if isinstance(outcome, SuperResError) else f"wrote {outcome}")
    if failures:
        raise typer.Exit(3)


def resample(
    source: Annotated[Path, typer.Argument(metavar="IMAGE", help="Image to resample.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    to: Annotated[
        str | None, typer.Option(metavar="P", help="New pixel size, or Y,X; in the unit of the image.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--for", metavar="MODEL", help="Model whose training pixel size is used.")
    ] = None,
    pixel_size: Annotated[str | None, typer.Option(metavar="P", help="Pixel size, if the file does not say.")] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "micrometer",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Also read data that the file names elsewhere.")] = False,
) -> None:
    """Resample an image to another pixel size along Y and X, such as the one a model was trained on."""
    from napari_superres.errors import SettingsError
    from napari_superres.inference import resample_file
    from napari_superres.io import read_image
    from napari_superres.models import find_card
    from napari_superres.models.choice.suitability import plane_size, trained_pixel_size

    if (to is None) == (model is None):
        raise SettingsError("the new pixel size comes either from --to or from --for.", remedy="Use one of the two.")
    card = None if model is None else find_card(model)
    size = parsing.parse_pixel_size(pixel_size)
    image = read_image(source, pixel_size=size, unit=unit, trust=trust)
    new_size = parsing.parse_pixel_size(to, "--to")
    if card is not None:
        new_size = trained_pixel_size(card, plane_size(image), image.units["X"])
        if card.pixel_size is None:
            raise SettingsError(
                f"{card.name} does not say which pixel size it was trained on.",
                remedy="Set the new pixel size with --to.",
            )
        if new_size is None and image.has_pixel_size:
            raise SettingsError(f"the image already has a pixel size that {card.name} was trained on: nothing to do.")
    resampled = resample_file(
        source,
        output,
        pixel_size=new_size or 0.0,  # An unknown pixel size is refused before the 0 is read.
        overwrite=overwrite,
        reading={"pixel_size": size, "unit": unit, "trust": trust},
    )
    terminal.say(f"wrote {output}: {resampled}")


def psf(
    beads: Annotated[Path, typer.Argument(metavar="BEADS", help="Plane, stack or movie of small fluorescent beads.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PSF", help="File to write.")],
    bead_channel: Annotated[int, typer.Option(min=0, help="Index of the channel that shows the beads.")] = 0,
    bead_size: Annotated[
        float, typer.Option(help="Diameter of the beads in micrometres, whose blur is taken off the widths.")
    ] = 0.0,
    to: Annotated[
        str | None, typer.Option(metavar="P", help="Pixel size of the PSF, or Z,Y,X; in the unit of the image.")
    ] = None,
    wavelength: Annotated[
        float | None, typer.Option(help="Of the light, in micrometres: prints the effective numerical aperture.")
    ] = None,
    pixel_size: Annotated[str | None, typer.Option(metavar="P", help="Pixel size, if the file does not say.")] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "micrometer",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Also read data that the file names elsewhere.")] = False,
) -> None:
    """Measure the point-spread function of a microscope on an image of beads."""
    from napari_superres.inference import measure_psf_file

    measured = measure_psf_file(
        beads,
        output,
        overwrite=overwrite,
        reading={"pixel_size": parsing.parse_pixel_size(pixel_size), "unit": unit, "trust": trust},
        bead_channel=bead_channel,
        bead_size=bead_size,
        pixel_size=parsing.parse_pixel_size(to, "--to"),
    )
    facts = measured.facts()
    if wavelength is not None:
        facts["effective_aperture"] = measured.effective_aperture(wavelength)
    if as_json:
        terminal.document(facts)
    else:
        for line in measured.describe():
            terminal.result(line)
        if wavelength is not None:
            terminal.result(f"effective numerical aperture at {wavelength:g} um: {facts['effective_aperture']:.3f}")
    for note in measured.notes:
        terminal.say(f"note: {note}")
    terminal.say(f"wrote {output}")
