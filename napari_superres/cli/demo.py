"""``superres demo``: upscale and evaluate the shipped samples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_superres.cli import terminal

if TYPE_CHECKING:
    from napari_superres.cli.outputs.demo_page import Shown

_NEXT = "superres upscale YOUR_IMAGE -o RESULT.ome.tif --model auto --report RESULT.html"


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the results.")] = Path(
        "results"
    ),
) -> None:
    """Upscale the shipped samples, compare the results with their references, and write a page to look at."""
    from napari_superres import io
    from napari_superres.cli.outputs.demo_page import write_page
    from napari_superres.inference.machine.memory import tune_allocator
    from napari_superres.storage.atomic import make_folder

    tune_allocator()
    make_folder(output)
    shown = []
    for sample in io.list_samples():
        terminal.say(f"{sample['title']} ...")
        shown.append(_try_sample(sample, output))
    page = output / "demo.html"
    write_page(shown, _NEXT, page)
    _print_table(shown)
    terminal.say("")
    terminal.say(
        f"Look at them in a browser: {page}. The results, with their records and reports, are next to it. "
        "A network estimated their fine detail; it was not measured. Do not use them for diagnosis."
    )
    terminal.say("")
    terminal.say(f"Next, type this with an image of your own: {_NEXT}")


def _try_sample(sample: dict[str, Any], output: Path) -> "Shown":
    """Write the result of a sample and its report, and return what is shown of it."""
    from napari_superres import io
    from napari_superres.cli.outputs.demo_page import show
    from napari_superres.evaluation import evaluate
    from napari_superres.inference import upscale_file

    low, reference = io.sample_path(sample["lr"]), io.read_image(io.sample_path(sample["hr"]))
    lr = io.read_image(low)
    target = output / f"{io.stem(low)}_{sample['model']}{io.output_suffix(low)}"
    upscale_file(low, target, model=sample["model"], psf_sigma=sample.get("psf_sigma"), overwrite=True)
    result = io.read_image(target)
    report = evaluate(result, reference, lr=lr, name=sample["name"])
    report.to_json(target.with_name(io.stem(target) + ".report.json"))
    return show(sample, lr, result, reference, report)


def _print_table(shown: "list[Shown]") -> None:
    rows = [("sample", "model", "bicubic", "best classical", "result", "gain")]
    for one in shown:
        best = f"{one.classical['candidate']} {one.classical['psnr']:.1f} dB"
        scores = [f"{row['psnr']:.1f} dB" for row in (one.bicubic, one.result)]
        rows.append((one.sample["name"], one.sample["model"], scores[0], best, scores[1], f"{one.gain:+.1f} dB"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    terminal.result(*("  ".join(text.ljust(n) for text, n in zip(row, widths, strict=True)).rstrip() for row in rows))
