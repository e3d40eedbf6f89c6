"""The model that `superres upscale` chooses, the lens that it takes from files, and `superres degrade` of folders."""

import json

import numpy as np
import tifffile
from helpers.conditioned import write_conditioned_model
from helpers.scenes.dark import blobs

from napari_superres import Image, read_image, write_image
from napari_superres.inference.planning import upscale_run


def test_auto_prints_its_choice_with_the_reason_and_asks_where_nothing_is_known(superres, tmp_path):
    known = write_image(Image.from_array(blobs((40, 40)), "YX", pixel_size=0.2), tmp_path / "known.ome.tif")
    grey = np.random.default_rng(0).integers(20, 230, (40, 40)).astype(np.uint8)
    unknown = write_image(Image.from_array(grey, "YX"), tmp_path / "unknown.tif")
    done = superres("upscale", known, "-o", tmp_path / "out.ome.tif", "-m", "auto")
    assert done.code == 0
    assert "fluo-x2 for fluorescence: pixels of 0.2 µm, bright on a dark ground" in done.err
    done = superres("upscale", unknown, "-o", tmp_path / "out.tif", "-m", "auto")
    assert done.code == 1
    assert "--model em-x2 (electron microscopy), --model photo-x2 (photograph), --model fluo-x2" in done.err
    done = superres("upscale", unknown, known, "-o", tmp_path / "all", "-m", "auto:photograph", "--json")
    files = json.loads(done.out)["files"]
    assert [file["chosen"].split(":")[0] for file in files] == ["photo-x2 for photograph", "fluo-x2 for fluorescence"]
    done = superres("upscale", unknown, "-o", tmp_path / "out.tif")
    assert "--model auto" in done.err


def test_the_dry_run_says_whether_the_model_fits(superres, tmp_path):
    known = write_image(Image.from_array(blobs((40, 40)), "YX", pixel_size=0.2), tmp_path / "known.ome.tif")
    done = superres("upscale", known, "-o", tmp_path / "out.ome.tif", "-m", "photo-x2", "--dry-run")
    assert "\n  Check: photo-x2, because it looks like fluorescence" in done.out
    done = superres("upscale", known, "-o", tmp_path / "out.ome.tif", "-m", "auto", "--dry-run")
    assert "\n  fluo-x2 for fluorescence" in done.out
    assert "\n  Fits: fluo-x2 suits this image" in done.out


def test_isotropic_takes_the_factor_from_the_pixel_size(superres, tmp_path):
    stack = Image.from_array(blobs((9, 24, 24)), "ZYX", pixel_size=(0.4, 0.2, 0.2))
    path = write_image(stack, tmp_path / "stack.ome.tif")
    done = superres("upscale", path, "-o", tmp_path / "thin.ome.tif", "--isotropic")
    assert (done.code, "fluo3d-z2 for fluorescence" in done.err) == (0, True), done.err
    assert read_image(tmp_path / "thin.ome.tif").shape == (18, 24, 24)
    done = superres("upscale", path, "-o", tmp_path / "thin.ome.tif", "--isotropic", "-m", "fluo-x2")
    assert "--isotropic chooses the model" in done.err


def test_a_folder_is_degraded_under_the_same_names(superres, tmp_path):
    (tmp_path / "high").mkdir()
    for name in ("a.tif", "b.ome.tif"):
        write_image(Image.from_array(blobs((40, 40)), "YX"), tmp_path / "high" / name)
    (tmp_path / "high" / "bad.tif").write_bytes(b"no image")
    done = superres("degrade", tmp_path / "high", "-o", tmp_path / "low", "--scale", 2, "--photons", 100)
    assert (done.code, "failed bad.tif" in done.err) == (3, True)
    low = [read_image(tmp_path / "low" / name) for name in ("a.ome.tif", "b.ome.tif")]
    assert [image.shape for image in low] == [(20, 20)] * 2
    assert not np.array_equal(*(image.data[...] for image in low))  # each has noise of its own


def test_the_lens_that_a_file_states_sharpens_on_request(superres, cells, tmp_path):
    model = write_conditioned_model(tmp_path / "told.safetensors")
    options = ("-m", model, "--noise", "0", "--dry-run")
    refused = superres("upscale", cells, "-o", tmp_path / "a.ome.tif", *options, "--psf", "metadata")
    assert "--psf metadata cannot be used: the file states no numerical aperture and no emission" in refused.err
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Instrument ID="Instrument:0"><Objective '
        'ID="Objective:0" LensNA="1.4"/></Instrument><Image ID="Image:0"><ObjectiveSettings ID="Objective:0"/>'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="48" SizeY="48" SizeZ="1" SizeC="1" SizeT="1" '
        'PhysicalSizeX="0.1" PhysicalSizeY="0.1"><Channel ID="Channel:0:0" EmissionWavelength="520"/><TiffData '
        'IFD="0" PlaneCount="1"/></Pixels></Image></OME>'
    )
    stated = tmp_path / "stated.ome.tif"
    tifffile.imwrite(stated, np.zeros((48, 48), np.uint8), description=xml.encode(), metadata=None)
    unasked = superres("upscale", stated, "-o", tmp_path / "a.ome.tif", *options)
    offer = (
        "The file states an aperture of 1.4 and 520 nm: --psf metadata sharpens by a sigma of 1.6 pixels of the result."
    )
    assert "PSF unknown, not sharpened" in unasked.out
    assert offer in unasked.out
    asked = superres("upscale", stated, "-o", tmp_path / "a.ome.tif", *options, "--psf", "metadata")
    assert "from the file's aperture of 1.4 and 520 nm, assumed to be widefield" in asked.out


def test_a_chosen_model_is_loaded_once_for_all_files(superres, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abc":
        write_image(Image.from_array(blobs((40, 40)), "YX", pixel_size=0.2), folder / f"{name}.ome.tif")
    loaded, open_model = [], upscale_run.open_model
    monkeypatch.setattr(upscale_run, "open_model", lambda name: loaded.append(name) or open_model(name))
    for model in ("auto", "fluo-x2"):
        for more in (["--dry-run"], []):
            loaded.clear()
            assert superres("upscale", folder, "-o", tmp_path / model, "-m", model, *more).code == 0
            assert loaded == ["fluo-x2"], (model, more)


def test_the_end_of_a_batch_names_the_files_by_reason(superres, cells, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.ome.tif").write_bytes(cells.read_bytes())
    flat = Image.from_array(np.full((16, 16), 9, np.uint8), "YX")
    for i in range(5):
        write_image(flat, folder / f"flat{i}.ome.tif")
    done = superres("upscale", folder, "-o", tmp_path / "out", "-m", "auto")
    assert done.code == 3
    *_, end = done.err.replace("\n", " ").rpartition("5 failed")
    assert "failed: flat0.ome.tif, flat1.ome.tif, flat2.ome.tif and 2 others: no model can be chosen" in end
    assert "--model 'auto:electron microscopy'" in end
    planned = superres("upscale", folder, "-o", tmp_path / "out2", "-m", "auto", "--dry-run")
    assert planned.code == 3
    *_, causes, _, last = planned.out.splitlines()
    assert causes.startswith("would fail: flat0.ome.tif, flat1.ome.tif, flat2.ome.tif and 2 others: no model can be")
    assert last == "0 would run, 6 would fail"


def test_warnings_of_a_batch_name_their_file(superres, cells, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.ome.tif").write_bytes(cells.read_bytes())
    for name in "bc":
        write_image(Image.from_array(np.full((16, 16), 9, np.uint8), "YX", pixel_size=0.2), folder / f"{name}.ome.tif")
    told = " ".join(superres("upscale", folder, "-o", tmp_path / "out", "-m", "fluo-x2").err.split())
    assert told.count("The image is constant") == 2
    assert "b.ome.tif: The image is constant" in told
    assert "2 files: The image is constant" in told


def test_an_output_that_cannot_be_written_is_refused_before_a_model_is_chosen(superres, cells, tmp_path):
    done = superres("upscale", cells, "-o", tmp_path / "a.dcm", "-m", "auto")
    assert done.code != 0
    assert "must end in one of" in done.err
    assert "fluo-x2" not in done.err


def test_several_images_do_not_become_a_folder_with_the_name_of_a_file(superres, cells, tmp_path):
    done = superres("upscale", cells, cells, "-o", tmp_path / "dd.nii.gz", "-m", "bicubic-x2")
    assert done.code != 0
    assert "need a folder" in done.err
    assert not (tmp_path / "dd.nii.gz").exists()
