"""Many results without references: one report, the worst first."""

import json
import re

import numpy as np
import pytest
from helpers.scenes.reported import Page, make_case, write_folders

from napari_superres import evaluate_folder, upscale, write_image
from napari_superres.errors import SettingsError
from napari_superres.evaluation import BatchFile, report_files
from napari_superres.evaluation.folder import many
from napari_superres.evaluation.reporting.page import contents, render


def test_a_folder_without_references(tmp_path):
    sr, lr = write_folders(tmp_path, 4, lies=(2,))
    (sr / "broken.tif").write_bytes(b"garbage")
    (lr / "1.tif").unlink()
    report = evaluate_folder(sr, None, lr_dir=lr)
    worst = sorted(report.files, key=lambda file: file.severity)
    assert (worst[0].name, worst[-1].name) == ("2_lanczos-x2", "broken")
    assert worst[-1].status == "failed"
    (alone,) = [file for file in report.files if file.name == "1_lanczos-x2"]
    assert "there is none of this name in" in alone.warnings[0]
    assert alone.answers == ()
    assert all(file.model.startswith("lanczos-x2 version") for file in worst[:-1])
    assert report.verdict().level == "failed"
    assert "2 files could not be judged" in report.verdict().sentence
    assert report.verdict().sentence.startswith(
        "No check failed in 2 of 3 images. Do not use the other (2_lanczos-x2), where 1 of "
    )
    html = report.to_html()
    names = re.findall(r'<tr><th scope="row">([^<]+)</th>\s*<td><div class="pictures">', html)
    assert names == [file.name for file in worst]
    assert html.count("data:image/jpeg") == 2 * 3 + 1
    assert "<b>Is the added fine detail real?</b> (3 images)" in html
    assert "input, interpolation, result, residual" in html
    document = json.loads(report.to_json())
    assert {file["name"]: file["status"] for file in document["files"]}["broken"] == "failed"
    assert report.table().splitlines()[1].startswith("2_lanczos-x2: ")


def test_results_alone_are_listed_by_their_records(tmp_path):
    sr, _ = write_folders(tmp_path, 2)
    report = evaluate_folder(sr, None)
    assert {file.warnings for file in report.files} == {("it was not compared with its input: set `lr_dir`",)}
    assert report.verdict().level == "open"
    assert "Not judged" in report.verdict().sentence


def test_what_needs_references_is_refused(tmp_path):
    sr, lr = write_folders(tmp_path, 1)
    for options in ({"models": ["bicubic-x2"]}, {"against": "bicubic-x2"}, {"register": True}):
        with pytest.raises(SettingsError, match="need a folder of references"):
            evaluate_folder(sr, None, lr_dir=lr, **options)


def test_the_page_of_two_hundred_files_is_small(tmp_path, monkeypatch):
    """The bytes of a file beyond the first ones, which have cards, maps and curves, with pictures full of noise."""
    case = make_case(0, (256, 256))
    noisy = np.asarray(case.lie.data) + np.random.default_rng(0).integers(0, 800, (256, 256)).astype(np.uint16)
    low = write_image(case.lr, tmp_path / "low.tif")
    result = write_image(case.result.replace(data=noisy), tmp_path / "result.tif")
    once = many._compare(case.result.replace(data=noisy), case.lr)
    monkeypatch.setattr(many, "_compare", lambda *_: once)
    monkeypatch.setattr(contents, "_CARDS", 0)
    monkeypatch.setattr(render.figures, "of_findings", lambda _: [])
    sizes = {
        count: len(report_files([BatchFile(f"field-{i:03}", result, low) for i in range(count)]).to_html())
        for count in (10, 20)
    }
    each = (sizes[20] - sizes[10]) / 10
    assert 200 * each < 2.5e6, "cards, maps and curves of the worst take up to as much"


def test_only_the_worst_keep_their_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(many, "_DETAILED", 1)
    sr, lr = write_folders(tmp_path, 3, lies=(1,))
    found = evaluate_folder(sr, None, lr_dir=lr).findings
    assert [name for name, f in found.items() if f.maps or f.pictures] == ["1_lanczos-x2"]
    assert all(f.answers for f in found.values())


def test_a_large_image_is_judged_on_a_part_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(many, "_MOST_PIXELS", 1000)
    monkeypatch.setattr(many, "_EDGE", 40)
    sr, lr = write_folders(tmp_path, 1, lies=(0,))
    (file,) = evaluate_folder(sr, None, lr_dir=lr).files
    assert "only a part of 40 x 40 pixels (YX) in the middle was examined" in file.warnings
    assert {a.question: a.state for a in file.answers}["Is it consistent with its input?"] == "no"


def test_each_model_of_a_batch_has_its_own_methods(tmp_path):
    """A paper must not say that one model made what two have made."""
    case = make_case(0)
    low = write_image(case.lr, tmp_path / "low.tif")
    models = {"a": "lanczos-x2", "b": "bicubic-x2", "c": "bicubic-x2"}
    files = [
        BatchFile(name, write_image(upscale(case.lr, model), tmp_path / f"{name}.tif"), low)
        for name, model in models.items()
    ]
    report = report_files(files)
    page = Page(report.to_html())
    head = page.text[: page.text.index("Files, the worst first")]
    assert [head.count(f"{model} version") for model in ("lanczos-x2", "bicubic-x2")] == [1, 1]
    assert "(1 file)" in head
    assert "(2 files)" in head
    methods = page.text[page.text.index("Text for the methods of a paper") :]
    assert "bicubic-x2: 2 files. Facts on the input and the settings are those of b." in methods
    assert "lanczos-x2: 1 file, a." in methods
    assert [methods.count(f"by interpolation ({model})") for model in ("lanczos-x2", "bicubic-x2")] == [1, 1]
    assert {model["name"] for model in json.loads(report.to_json())["about"]["models"]} == set(models.values())
