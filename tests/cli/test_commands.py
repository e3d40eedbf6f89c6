"""The other commands, and the program as a process of its own."""

import json
import re
import signal
import subprocess
import sys
import time
import warnings
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from helpers.scenes import check_refusal
from PIL import Image as Picture

from napari_superres import Image, degrade, load_model, read_image, write_image
from napari_superres.io import list_samples, sample_path

# Ctrl-C is ignored by what runs in the background of a shell, and so by what that starts.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


def program(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", f"{HEARS}; from napari_superres.cli import main; main()", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_models(superres):
    cards = json.loads(superres("models", "list", "--json").out)
    text = superres("models", "list").out
    assert {card["name"] for card in cards} >= {"fsrcnn-x2", "bicubic-x2"}
    assert len(text.splitlines()) == len(cards)
    assert json.loads(superres("models", "show", "fsrcnn-x2", "--json").out)["architecture"] == "fsrcnn"
    assert "doi" in superres("models", "show", "fsrcnn-x2").out
    done = superres("models", "show", "fsrcnn")
    assert (done.code, done.err.count("\n")) == (1, 1)


def test_info(superres, cells, tmp_path):
    (row,) = json.loads(superres("info", cells, "--json").out)
    assert (row["axes"], row["shape"], row["dtype"]) == ("CYX", [2, 33, 41], "uint16")
    assert row["pixel_size"] == pytest.approx([0.2, 0.2])
    movie = Image.from_array(np.zeros((3, 5, 6), np.float32), "TYX", pixel_size=np.float32(1 / 3))
    write_image(
        movie.replace(metadata={"time_step": 0.25}, units={**movie.units, "T": "second"}), tmp_path / "m.ome.tif"
    )
    text = superres("info", tmp_path / "m.ome.tif").out
    assert "time step:      0.25\n" in text
    assert "pixel size:     [0.3333333, 0.3333333]\n" in text
    write_image(Image.from_array(np.zeros((5, 6), np.uint8), "YX"), tmp_path / "a.png")
    assert "unknown (upscale takes --pixel-size" in superres("info", tmp_path / "a.png").out
    done = superres("info", tmp_path / "gone.tif")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)


def test_resample_to_a_size_or_for_a_model(superres, tmp_path):
    head = tmp_path / "head.nii.gz"
    data = np.random.default_rng(0).random((4, 40, 50), np.float32)
    write_image(Image.from_array(data, "ZYX", pixel_size=(3, 0.4, 0.4), unit="mm"), head)
    done = superres("upscale", head, "-o", tmp_path / "up.nii.gz", "--model", "mri-x2", "--dry-run")
    assert "superres resample" in done.err + done.out
    done = superres("resample", head, "-o", tmp_path / "fit.nii.gz", "--for", "mri-x2")
    assert (done.code, "pixel 3 x 0.8203 x 0.8203" in done.err.replace(" millimeter", "")) == (0, True)
    assert read_image(tmp_path / "fit.nii.gz").shape == (4, 20, 24)
    assert superres("resample", head, "-o", tmp_path / "two.nii.gz", "--to", "0.5,1").code == 0
    assert read_image(tmp_path / "two.nii.gz").shape == (4, 32, 20)
    plain = tmp_path / "plain.tif"
    write_image(Image.from_array(np.zeros((9, 9), np.uint8), "YX"), plain)
    for arguments, words in (
        ((head,), "either from --to"),
        ((head, "--to", 1, "--for", "mri-x2"), "either from --to"),
        ((head, "--to", "x"), "--to must be a number"),
        ((head, "--for", "photo-x2"), "does not say"),
        ((tmp_path / "fit.nii.gz", "--for", "mri-x2"), "nothing to do"),
        ((plain, "--for", "mri-x2"), "unknown"),
        ((head, "--to", "1,2,3"), "along Y and X"),
        ((head, "--for", "mri"), "no model"),
    ):
        done = superres("resample", *arguments, "-o", tmp_path / "no.tif")
        assert (done.code, words in done.err, done.err.count("\n")) == (1, True, 1), done.err
    assert not (tmp_path / "no.tif").exists()
    assert superres("resample", plain, "-o", tmp_path / "p.tif", "--pixel-size", 0.5, "--to", 1.5).code == 0
    assert read_image(tmp_path / "p.tif").shape == (3, 3)


def test_degrade_then_upscale_then_evaluate(superres, tmp_path):
    y, x = np.mgrid[:48, :56]
    high = (1000 + 800 * np.sin(y / 5) * np.cos(x / 6)).astype(np.uint16)
    hr = write_image(Image.from_array(high, "YX", pixel_size=0.1), tmp_path / "hr.ome.tif")
    lr, sr = tmp_path / "lr.ome.tif", tmp_path / "sr.ome.tif"
    assert superres("degrade", hr, "-o", lr, "--scale", 2).code == 0
    assert read_image(lr).pixel_size == pytest.approx((0.2, 0.2))
    assert superres("upscale", lr, "-o", sr, "-m", "bicubic-x2", "-q").code == 0
    done = superres(
        "evaluate",
        sr,
        hr,
        "--lr",
        lr,
        "--json",
        tmp_path / "r.json",
        "--csv",
        tmp_path / "r.csv",
        "--html",
        tmp_path / "r.html",
    )
    assert done.code == 0, done.err
    assert "psnr" in done.out.lower()
    assert json.loads((tmp_path / "r.json").read_text())
    assert superres("degrade", hr, "-o", lr, "--scale", 2).code == 1
    assert superres("degrade", hr, "-o", lr, "--scale", "x").code == 1
    assert superres("degrade", hr, "-o", tmp_path / "y.ome.tif", "--scale", "3,1", "--saturation", 1500).code == 0
    one = read_image(tmp_path / "y.ome.tif")
    assert (one.shape, np.asarray(one.data).max()) == ((16, 56), 1500)
    noisy = superres("degrade", hr, "-o", tmp_path / "n.tif", "--scale", 2, "--photons", 50, "--psf-sigma", 1.5)
    assert noisy.code == 0


def test_check(superres):
    found = json.loads(superres("check", "bicubic-x2", "--json").out)
    assert found["exact"] is True
    assert found["halo_measured"] == [2, 2]


def test_a_quick_check_measures_the_speed_alone(superres):
    done = superres("check", "bicubic-x2", "--quick", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert found["cpu_megapixels_per_second"] > 0
    assert "exact" not in found


def test_a_model_whose_halo_lies_fails_the_check(superres, tmp_path):
    from dataclasses import replace

    from napari_superres.models import find_card
    from napari_superres.models.library.shipped import shipped_folder
    from napari_superres.models.model_file import read_weights, write_model

    weights = read_weights(shipped_folder() / "fsrcnn-x2.safetensors")
    path = write_model(tmp_path / "lying.safetensors", replace(find_card("fsrcnn-x2"), halo=(3, 3)), weights)
    done = superres("check", path, "--json")
    assert done.code == 1
    assert json.loads(done.out)["exact"] is False


@pytest.mark.parametrize(
    ("options", "kernel"),
    [
        ((), "bicubic"),
        (("--psf-sigma", 2), "gaussian"),
        (("--photons", 50), "gaussian"),
        (("--read-noise", 1), "gaussian"),
        (("--photons", 50, "--kernel", "bicubic"), "bicubic"),
    ],
)
def test_the_kernel_follows_the_other_options_only_if_none_is_given(superres, cells, tmp_path, options, kernel):
    done = superres("degrade", cells, "-o", tmp_path / "lr.ome.tif", "--scale", 2, "--seed", 3, *options)
    assert done.code == 0, done.err
    settings = {
        name.lstrip("-").replace("-", "_"): value for name, value in zip(options[::2], options[1::2], strict=True)
    }
    expected = degrade(read_image(cells), 2, seed=3, **{**settings, "kernel": kernel})
    np.testing.assert_array_equal(read_image(tmp_path / "lr.ome.tif").data, expected.data)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--kernel", "bicubic", "--psf-sigma", 2), "Use --kernel gaussian or leave --psf-sigma out"),
        (("--seed", -1), "--seed must be a whole number of at least 0, got -1"),
    ],
)
def test_degradations_that_are_refused(superres, cells, tmp_path, options, says):
    check_refusal(superres("degrade", cells, "-o", tmp_path / "lr.tif", "--scale", 2, *options), says)
    assert not (tmp_path / "lr.tif").exists()


def test_a_folder_of_the_demo_that_cannot_be_made(superres, cells):
    for folder in (cells, cells / "results"):
        check_refusal(superres("demo", "-o", folder), f"folder {folder} cannot be made", "Choose another output folder")


def test_the_demo_ends_with_the_command_to_type_next(superres, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_superres.io.list_samples", lambda: list_samples()[:1])
    done = superres("demo", "-o", tmp_path / "results")
    assert done.code == 0, done.err
    head, row = done.out.splitlines()
    assert (head.split()[0], row.split()[0]) == ("sample", "nuclei")
    page = (tmp_path / "results" / "demo.html").read_text(encoding="utf-8")
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^",]+)', page)
    assert [name for _, name in pictures] == ["input", "bicubic", "richardson-lucy", "fluo-x2", "truth"]
    assert not re.search(r"(?:src|href)=\"(?!data:)|url\(|@import", page), "it needs another file, or the network"
    truth = Picture.open(BytesIO(b64decode(pictures[-1][0])))
    assert truth.size == (160, 160), "1:1, one pixel of the result for each of the screen"
    following = re.search(r"superres (upscale YOUR_IMAGE .*)", done.err)[1]
    assert f"superres {following}" in page
    names = {"YOUR_IMAGE": str(sample_path("nuclei")), "RESULT": str(tmp_path / "sr")}
    typed = superres(*re.sub("YOUR_IMAGE|RESULT", lambda word: names[word[0]], following).split())
    assert typed.code == 0, typed.err


@pytest.mark.slow
def test_selftest_and_demo(superres, tmp_path):
    done = superres("selftest")
    assert done.code == 0
    assert "0 failed" in done.out
    done = superres("demo", "-o", tmp_path / "results")
    assert done.code == 0, done.err
    assert list((tmp_path / "results").glob("*.provenance.json"))


def test_help_names_every_command(superres):
    text = superres("--help").out
    for command in (
        "upscale",
        "evaluate",
        "models",
        "train",
        "degrade",
        "resample",
        "info",
        "check",
        "selftest",
        "demo",
    ):
        assert command in text


def test_interrupted_by_the_keyboard(tmp_path):
    """Exit code 130 and an untouched folder."""
    data = np.random.default_rng(0).integers(0, 60000, (100, 100), dtype=np.uint16).repeat(25, 0).repeat(25, 1)
    source = write_image(Image.from_array(data, "YX"), tmp_path / "big.tif")
    process = program("upscale", source, "-o", tmp_path / "o.tif", "-m", "fluo-x2", "--device", "cpu")
    assert process.stderr is not None
    first = process.stderr.readline()  # the first progress: it computes
    assert "0 %" in first
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)  # closes its pipes, too
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["big.tif"]


def test_a_reader_that_closes_early_is_no_error():
    process = program("models", "list")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_train(superres, tmp_path):
    pytest.importorskip("lightning", reason="training needs Lightning")
    (tmp_path / "photos").mkdir()
    for i in range(2):
        picture = np.random.default_rng(i).integers(0, 255, (40, 40), dtype=np.uint8)
        write_image(Image.from_array(picture, "YX"), tmp_path / "photos" / f"{i}.png")
    recipe = tmp_path / "mine.toml"
    recipe.write_text('architecture = "espcn"\nscale = [2, 2]\ndata = ["photos"]\npatch = 8\nbatch = 2')
    command = ["train", "--recipe", recipe, "--data", tmp_path, "-o", tmp_path / "m.safetensors", "--steps", 2, "-q"]
    done = superres(*command)
    assert done.code == 0, done.err
    assert done.out.startswith("validation: ")
    assert all("no better than bicubic" in line for line in done.err.splitlines()), "after two steps"
    done = superres(*command)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "--overwrite" in done.err


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_train_on_own_images(superres, tmp_path):
    """High-resolution images alone, with noise like that of other images; then pairs."""
    pytest.importorskip("lightning", reason="training needs Lightning")
    for name in ("hr", "lr", "raw"):
        (tmp_path / name).mkdir()
    for i in range(3):
        scene = np.random.default_rng(i).random((24, 24)).repeat(6, 0).repeat(6, 1) * 3000
        seen = scene.reshape(72, 2, 72, 2).mean((1, 3))
        for folder, values in {
            "hr": scene,
            "lr": seen,
            "raw": np.random.default_rng(i).poisson(scene / 10 + 5),
        }.items():
            write_image(
                Image.from_array(values.astype(np.uint16), "YX"), tmp_path / folder / f"{i}.tif", allow_loss=True
            )
    common = ["-q", "--steps", 2, "--scale", 2, "--license", "CC0-1.0", "--architecture", "espcn"]
    hr = ["--hr", tmp_path / "hr", "--degradation", "optics", "--psf-sigma", "1,2"]
    done = superres("train", *hr, "--like", tmp_path / "raw", "-o", tmp_path / "a.safetensors", *common)
    assert done.code == 0, done.err
    shown = superres("models", "show", tmp_path / "a.safetensors").out
    assert "sigma 1-2 fine pixels" in shown
    assert "photons at the brightest" in shown
    assert "CC0-1.0" in shown
    assert str(tmp_path) not in shown, "whose folders they were is nobody's business"
    photo = ["--hr", tmp_path / "hr", "--jpeg", "30,90"]
    done = superres("train", *photo, "-o", tmp_path / "e.safetensors", *common)
    assert done.code == 0, done.err
    assert "JPEG quality 30-90" in load_model(tmp_path / "e.safetensors").card.degradation
    refined = ["--start", tmp_path / "a.safetensors", "-q", "--steps", 1, "--license", "CC0-1.0"]
    done = superres("train", *hr, *refined, "-o", tmp_path / "d.safetensors")
    assert done.code == 0, done.err
    card = load_model(tmp_path / "d.safetensors").card
    assert (card.architecture, card.scale) == ("espcn", (2, 2))
    assert "Started from the weights of a." in card.training
    movie = ["--hr", tmp_path / "hr", "--degradation", "movie", "--frames", 3, "--psf-sigma", "0.5,1"]
    done = superres("train", *movie, "--like", tmp_path / "raw", "-o", tmp_path / "f.safetensors", "-q", "--steps", 1)
    assert done.code == 0, done.err
    degradation = load_model(tmp_path / "f.safetensors").card.degradation
    assert degradation.startswith("3 frames")
    assert "photons at the brightest" in degradation, "the noise is the one that was measured"
    pairs = ["--pairs", tmp_path / "lr", tmp_path / "hr"]
    done = superres("train", *pairs, "-o", tmp_path / "b.safetensors", *common)
    assert done.code == 0, done.err
    assert done.out.startswith("validation: ")
    for wrong in (
        [],
        [*hr, *pairs],
        [*hr, "--recipe", "fluo-x2"],
        ["--recipe", "fluo-x2"],
        [*hr, "--data", tmp_path],
        ["--hr", tmp_path / "hr", "--like", tmp_path / "raw"],
        [*hr, "--photons", "much"],
        [*pairs, "--degradation", "optics"],
        [*pairs, "--psf-sigma", 1],
        [*hr, "--register"],
        ["--hr", tmp_path / "hr", "--degradation", "optics", "--psf-sigma", 1, "--noise", "5,10"],
        ["--hr", tmp_path / "hr", "--start", "bicubic-x2"],
    ):
        done = superres("train", *wrong, "-o", tmp_path / "c.safetensors", *common)
        assert (done.code, done.err.count("\n")) == (1, 1), done.err


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_train_movies_and_volumes(superres, tmp_path):
    pytest.importorskip("lightning", reason="training needs Lightning")
    common = ["-q", "--steps", 2, "--license", "CC0-1.0"]
    for i in range(2):
        volume = np.random.default_rng(i).random((12, 12, 12)).repeat(8, 1).repeat(8, 2) * 3000
        write_image(Image.from_array(volume.astype(np.uint16), "ZYX"), tmp_path / f"{i}.ome.tif")
    movie = ["--degradation", "movie", "--frames", 3, "--speed", "0,1", "--psf-sigma", "0.5,1", "--loss", "charbonnier"]
    done = superres("train", "--hr", tmp_path, *movie, "--ssim", 0.1, "-o", tmp_path / "m.safetensors", *common)
    assert done.code == 0, done.err
    shown = superres("models", "show", tmp_path / "m.safetensors").out
    assert "3 frames, moving 0-1 fine pixels each" in shown
    assert "Charbonnier, then MSE + 0.1 (1 - SSIM)" in shown
    slices = ["--degradation", "slices", "--scale", "3,1,1", "--noise", "0,0.05", "--architecture", "espcn"]
    recipe = ["--hr", tmp_path, *slices, "-o", tmp_path / "v.safetensors"]
    assert "must be at least 24 x 24 x 24 pixels" in superres("train", *recipe, *common).err
    for i in range(2):
        volume = np.random.default_rng(i).random((24, 12, 12)).repeat(4, 1).repeat(4, 2) * 3000
        write_image(Image.from_array(volume.astype(np.uint16), "ZYX"), tmp_path / f"{i}.ome.tif", overwrite=True)
    assert superres("train", *recipe, *common).code == 0
    assert load_model(tmp_path / "v.safetensors").card.scale == (3, 1, 1)


def test_a_command_leaves_the_process_as_it_was(superres):
    def state():
        return signal.getsignal(signal.SIGTERM), list(warnings.filters), warnings.showwarning, sys.excepthook

    before = state()
    superres("models", "list")
    assert state() == before


@pytest.mark.parametrize("read_data", [True, False])
def test_check_of_a_result(read_data, superres, cells, tmp_path):
    target = tmp_path / "out.ome.zarr"
    assert superres("upscale", cells, "-o", target, "-m", "bicubic-x2").code == 0
    options = ["--read-data"] if read_data else []
    done = superres("check", target, *options)
    assert (done.code, done.out) == (0, "")
    assert "no damaged parts found" in done.err
    shard = next(p for p in (target / "0" / "c").rglob("*") if p.is_file())
    shard.write_bytes(bytes(shard.stat().st_size) if read_data else b"")
    done = superres("check", target, *options, "--json")
    assert done.code == 1
    found = json.loads(done.out)["damage"]
    assert found
    assert all(shard.relative_to(target).as_posix() in line for line in found)
    assert superres("upscale", cells, "-o", target, "-m", "bicubic-x2", "--resume").code == 1


def test_check_of_what_is_no_image(superres, tmp_path):
    done = superres("check", tmp_path / "missing.ome.zarr", "--read-data")
    assert done.code == 1
    assert "does not exist" in done.out
