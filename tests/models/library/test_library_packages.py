"""bioimage.io packages in the library: trusted or refused by sha256, run on stacks, exported and added again."""

import hashlib
import json
import zipfile
from io import BytesIO

import numpy as np
import pytest
import yaml
from helpers.checkpoints import bioimageio_packages as packages
from helpers.library_files import file_names

from napari_superres import Image, load_model, upscale
from napari_superres.errors import MissingExtraError, ModelFileError, SuperResWarning, UntrustedModelError
from napari_superres.models import add_model, find_card, list_models, remove_model
from napari_superres.models.export.bioimageio import export_bioimageio
from napari_superres.models.foreign.convert import convert
from napari_superres.models.foreign.trust import fingerprint, is_trusted
from napari_superres.models.library.shipped import shipped_cards

pytestmark = pytest.mark.usefixtures("folder")

LOW = Image.from_array((np.random.default_rng(0).random((2, 23, 18)) * 900).astype(np.uint16), "TYX")
SPY = packages.SOURCE + "\nfrom pathlib import Path\nPath({marker!r}).touch()\n"


def test_onnx_needs_no_trust_and_runs_on_a_stack(tmp_path):
    card = add_model(packages.write_package(tmp_path / "tiny.zip"))
    assert (card.name, card.architecture, card.bounded) == ("tiny", "onnx", True)
    assert max(card.halo) >= 1
    found = upscale(LOW, "tiny")
    assert (found.data.shape, found.data.dtype) == ((2, 46, 36), np.uint16)
    whole, tiled = (upscale(LOW, "tiny", tile=t, intensity_range=[(0, 8)]).data for t in (1024, 12))
    np.testing.assert_allclose(whole.astype(int), tiled.astype(int), atol=1)


@pytest.mark.parametrize("weights", ["torchscript", "pytorch_state_dict"])
def test_programs_run_only_once_they_are_trusted(weights, tmp_path, folder):
    marker = tmp_path / "ran"
    source = SPY.format(marker=str(marker))
    path = packages.write_package(tmp_path / "tiny.zip", weights=weights, source=source)
    sha256 = fingerprint(path)
    with pytest.raises(UntrustedModelError, match=f"is a program.*{sha256}.*`trust`"):
        add_model(path)
    assert not marker.exists()
    assert file_names(folder) == []
    card = add_model(path, trust=True)
    assert card.architecture in ("torchscript", "source")
    assert is_trusted(sha256)
    marker.unlink(missing_ok=True)
    assert find_card("tiny") in list_models()
    assert not marker.exists(), "listing ran it"
    assert upscale(LOW, "tiny").data.shape == (2, 46, 36)
    # What was trusted stays so: it may be added again without being asked.
    remove_model("tiny")
    add_model(path)
    # Another one is another question, and a file of the library that was given away is one too.
    other = packages.write_package(tmp_path / "other.zip", weights=weights, source=source + "\n# changed\n", channels=3)
    with pytest.raises(UntrustedModelError):
        add_model(other)


def test_a_program_s_file_is_refused_on_another_computer(tmp_path, folder, monkeypatch):
    add_model(packages.write_package(tmp_path / "tiny.zip", weights="torchscript"), trust=True)
    copy = tmp_path / "given.safetensors"
    copy.write_bytes((folder / "tiny.safetensors").read_bytes())
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "elsewhere"))
    for use in (load_model, add_model):
        with pytest.raises(UntrustedModelError, match=r"given.safetensors is a program \(torchscript"):
            use(copy)


def test_folders_and_their_descriptions_are_packages(tmp_path):
    folder = packages.write_package(tmp_path / "mine")
    assert add_model(folder).name == "mine"
    with pytest.warns(SuperResWarning, match="already, as mine"):
        add_model(next(folder.glob("*.yaml")))


def test_model_that_fails_its_authors_test_is_not_added(tmp_path, folder):
    path = packages.write_package(tmp_path / "wrong.zip", test_output=np.zeros((1, 1, 20, 24), np.float32))
    with pytest.raises(ModelFileError, match="author"):
        add_model(path)
    assert file_names(folder) == []


SHIPPED = [card.name for card in shipped_cards()]


@pytest.mark.parametrize(
    "name", [name if name == "espcn-x2" else pytest.param(name, marks=pytest.mark.slow) for name in SHIPPED]
)
@pytest.mark.filterwarnings("ignore:The (image|pixels)", "ignore:.*comes with the program")
def test_exported_model_comes_back_the_same(name, tmp_path):
    path = export_bioimageio(name, tmp_path / f"again-{name}.zip", author=["Ada Lovelace"])
    card = add_model(path)
    z, y, x = np.mgrid[:6, :40, :33]
    low = Image.from_array((np.sin(y / 5 + z) * np.cos(x / 7)).astype(np.float32), "ZYX" if card.ndim == 3 else "TYX")
    ours, theirs = upscale(low, name).data, upscale(low, card.name).data
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_an_unusable_pydantic_is_named(tmp_path, monkeypatch):
    import pydantic

    path = packages.write_package(tmp_path / "tiny.zip")
    monkeypatch.setattr(pydantic, "VERSION", "2.14.3")
    monkeypatch.setattr("bioimageio.spec.__version__", "0.5.12.0")
    with pytest.raises(MissingExtraError, match=r"with pydantic 2.14.3. Install versions that fit with: pip install"):
        convert(path, trusted=False, measure=lambda *_: None)


def edited(path, made, edit):
    """Rewrite an exported package with another card and the same checksums."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    description = yaml.safe_load(members["bioimageio.yaml"])
    edit(description, members)
    members["bioimageio.yaml"] = yaml.safe_dump(description, allow_unicode=True).encode()
    with zipfile.ZipFile(made, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    return made


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    return export_bioimageio("espcn-x2", folder / "espcn.zip", author=["Ada Lovelace"])


def test_package_of_ours_whose_card_lies_is_measured(exported, tmp_path):
    def blind(description, _):
        card = json.loads(description["config"]["napari_superres"]["card"])
        description["config"]["napari_superres"]["card"] = json.dumps({**card, "halo": [0, 0]})

    path = edited(exported, tmp_path / "blind.zip", blind)
    with pytest.warns(SuperResWarning, match="The card of blind is wrong: halo"):
        assert min(add_model(path).halo) > 0 or min(load_model("blind").card.halo) > 0


def test_package_of_ours_that_fails_its_own_test_is_refused(exported, tmp_path, folder):
    def wrong(description, members):
        tensor = description["outputs"][0]["test_tensor"]
        content = BytesIO()
        np.save(content, np.load(BytesIO(members[tensor["source"]])) + 1)
        members[tensor["source"]] = content.getvalue()
        tensor["sha256"] = hashlib.sha256(content.getvalue()).hexdigest()

    with pytest.raises(ModelFileError, match="does not reproduce"):
        add_model(edited(exported, tmp_path / "wrong.zip", wrong))
    assert file_names(folder) == []
