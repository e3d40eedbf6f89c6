"""The page: what it says first, what it shows, and who can read it."""

import base64
import io
import json
import re

import numpy as np
import pytest
from helpers.scenes.reported import Page, make_case, write_folders
from PIL import Image as Picture

from napari_superres import evaluate, evaluate_folder
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.reporting.page.columns import COLUMNS, title
from napari_superres.evaluation.reporting.page.contents import short_tables
from napari_superres.evaluation.reporting.page.drawing import thumbnails


@pytest.fixture(scope="module")
def case():
    return make_case()


@pytest.fixture(scope="module")
def report(case):
    """Return the report of a lie."""
    return evaluate(case.lie, case.reference, lr=case.lr, name="cells <1>")


@pytest.fixture(scope="module")
def html(report):
    return report.to_html()


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_verdict_comes_first(report, page):
    sentence = report.verdict().sentence
    assert sentence.startswith("Do not use: ")
    assert next(text for tag, text in page.tags if tag == "h1")["class"] == "verdict failed"
    assert page.text.index(sentence) < page.text.index("result computed") < page.text.index("What failed")
    assert report.table().splitlines()[0] == sentence
    assert json.loads(report.to_json())["verdict"] == sentence


def test_who_what_when(report, page):
    assert report.about.time_utc[:4] in page.text
    assert "lanczos-x2 version" in page.text
    assert "napari-superres-torch" in page.text


def test_a_card_shows_what_failed_and_says_what_to_do(page):
    assert "What it means." in page.text
    assert "What to do." in page.text
    alt = next(i["alt"] for i in page.all("img") if i["alt"].startswith("input, interpolation, result, reference"))
    assert "a ring marks the place at y " in alt


def test_meaning_is_never_by_colour_alone(report, html):
    """Each answer is a word and a sign of its own; so is the verdict."""
    for answer in report.findings["cells <1>"].answers:
        word = {"not measurable": "not known"}.get(answer.state, answer.state)
        assert re.search(rf'class="state {answer.state.split()[0]}"><span aria-hidden="true">.</span> {word}<', html)
    signs = dict(re.findall(r'class="state (\w+)"><span aria-hidden="true">(.)</span>', html))
    assert len(set(signs.values())) == len(signs)


def test_a_screen_reader_can_read_it(page):
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert all(image.get("alt") for image in page.all("img"))
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    assert page.all("a")[0] == {"class": "skip", "href": "#answers"}
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= set(ids)


def test_it_needs_no_other_file(html):
    html = re.sub(r"data:[^\"]+", "", html)
    assert not re.search(r'(?:src|href)="(?!#|")', html)
    assert "<script" not in html


def test_texts_of_files_are_text():
    case = make_case(2)
    record = {"model": {"name": "<script>x</script>", "version": "1", "sha256": "0" * 64}}
    lie = case.lie.replace(metadata={"provenance": record})
    html = evaluate(lie, None, lr=case.lr, name="<img src=x>").to_html()
    assert "<script" not in html
    assert "<img src=x>" not in html


def test_the_appendix_holds_all_columns_in_tables_that_fit_on_paper(page, html):
    start = page.text.index("Appendix: all columns")
    for column in set(COLUMNS) - {"image", "candidate", "channel"}:
        assert title(column) in page.text[start:], column
    assert "a.PSNR" not in page.text
    assert "PSNR aligned" in page.text[start:]
    assert "@page{size:A4" in html


def test_the_short_table_marks_the_best_and_counts_gains(report):
    (table,) = short_tables(report.rows)
    psnr = [float(line.cells[0].text) for line in table.lines]
    assert [line.label for line in table.lines if line.cells[0].best] == [table.lines[int(np.argmax(psnr))].label]
    labels = [line.label for line in table.lines]
    gains = [float(line.cells[2].text) for line in table.lines]
    assert gains == pytest.approx([p - psnr[labels.index("bicubic")] for p in psnr], abs=0.011)
    classical = max(psnr[labels.index(n)] for n in ("wiener", "richardson-lucy", "non-local-means") if n in labels)
    assert [float(line.cells[3].text) for line in table.lines] == pytest.approx(
        [p - classical for p in psnr], abs=0.011
    )


def test_what_could_not_be_checked_says_why(page):
    start = page.text.index("What this could not check")
    assert "no calibration was given" in page.text[start:]
    assert "one line drawn as two" in page.text[start:]


def test_a_sound_result_without_a_reference_is_not_praised(case):
    report = evaluate(case.result, None, lr=case.lr)
    assert report.verdict().level == "open"
    assert "is not known" in report.verdict().sentence


def test_a_folder_has_a_row_of_answers_per_image(tmp_path):
    sr, lr = write_folders(tmp_path, 3, lies=(1,), references=True)
    report = evaluate_folder(sr, tmp_path / "ref", lr_dir=lr, baselines=())
    html = report.to_html()
    assert '<table class="matrix">' in html
    assert report.verdict().level == "failed"
    rows = re.findall(r'<th scope="row">([^<]+)</th>(?=<td><span class="state)', html)
    assert rows[0] == "1_lanczos-x2", "the worst first"
    assert "Means over 3 images" in html


def test_a_computed_input_is_warned_about(case):
    record = {"model": {"name": "fluo-x2", "version": "1", "sha256": "0" * 64}, "synthetic_detail": True}
    low = case.lr.replace(metadata={"provenance": record})
    for reference in (None, case.reference):
        notes = evaluate(case.result, reference, lr=low, baselines=()).notes
        assert any("the input was itself computed by the model fluo-x2" in note for note in notes)
    leaked = case.reference.replace(metadata={"provenance": record})
    notes = evaluate(case.result, leaked, lr=case.lr, baselines=()).notes
    assert any("the reference was itself computed by the model fluo-x2" in note for note in notes)
    assert not any("itself computed" in n for n in evaluate(case.result, None, lr=case.lr).notes)


def test_thumbnails_of_a_file_have_one_contrast(case):
    def mean(uri):
        data = base64.b64decode(uri.split(",")[1])
        return np.asarray(Picture.open(io.BytesIO(data)), dtype=float).mean()

    dark = case.result.replace(data=np.asarray(case.result.data) // 4)
    shown = thumbnails({"input": case.lr, "result": dark})
    assert mean(shown["result"]) < 0.5 * mean(shown["input"])
    assert all(len(uri) < 8000 for uri in shown.values())


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_figure_for_a_paper(report, tmp_path, suffix):
    file = tmp_path / f"f{suffix}"
    report.to_figure(file)
    if suffix == ".svg":
        text = file.read_text("utf-8")
        for word in ("computed x2, lanczos-x2 v", "input", "interpolation", "result", "reference", "µm"):
            assert word in text
    else:
        with Picture.open(file) as picture:
            assert min(picture.size) > 600


def test_a_figure_that_cannot_be_made(report, tmp_path):
    with pytest.raises(SettingsError, match=r"\.svg or \.png"):
        report.to_figure(tmp_path / "f.pdf")
    from napari_superres.evaluation import Report

    with pytest.raises(EvaluationError, match="no picture"):
        Report([], {}).to_figure(tmp_path / "f.png")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_of_channels_and_of_colours(tmp_path):
    for axes, shape in (("CYX", (2, 96, 96)), ("YXS", (96, 96, 3)), ("ZYX", (3, 96, 96))):
        case = make_case(0, shape, axes)
        evaluate(case.result, None, lr=case.lr).to_figure(tmp_path / f"{axes}.png")
        assert (tmp_path / f"{axes}.png").stat().st_size > 10_000
