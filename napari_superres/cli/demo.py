"""``superres demo``: upscale and evaluate the shipped samples."""

from pathlib import Path
from typing import Annotated

import typer

from napari_superres.cli import terminal


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the results.")] = Path(
        "results"
    ),
) -> None:
    """Upscale the shipped samples and compare the results with the shipped references."""
    from napari_superres import io
    from napari_superres.evaluation import evaluate
    from napari_superres.inference import upscale_file
    from napari_superres.inference.machine.memory import tune_allocator
    from napari_superres.storage.atomic import make_folder

    tune_allocator()
    make_folder(output)
    for sample in io.list_samples():
        low, high = io.sample_path(sample["lr"]), io.sample_path(sample["hr"])
        image = io.read_image(low)
        target = output / f"{io.stem(low)}_{sample['model']}{io.output_suffix(low)}"
        upscale_file(low, target, model=sample["model"], overwrite=True)
        result = io.read_image(target)
        report = evaluate(result, io.read_image(high), lr=image, name=sample["name"])
        report.to_json(target.with_name(io.stem(target) + ".report.json"))
        terminal.result(f"{sample['title']}, {sample['model']}", f"  input  {image!r}", f"  result {result!r}")
        for row in (r for r in report.rows if r["channel"] == "all"):
            terminal.result(f"  {row['candidate']:8} PSNR {row['psnr']:.2f} dB, SSIM {row['ssim']:.4f}")
    terminal.say("")
    terminal.say(
        f"The results, with their records and reports, are in {output}/. "
        "A network estimated their fine detail; it was not measured. Do not use them for diagnosis."
    )
