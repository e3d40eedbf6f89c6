"""Commands and menus of the manifest exist, and importing its commands does not load torch."""

import subprocess
import sys
from fnmatch import fnmatch
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from napari._app_model.constants._menus import is_menu_contributable
from npe2 import PluginManifest

import napari_superres
from napari_superres.io import READ_SUFFIXES, list_samples
from napari_superres.io.formats import PICTURE

FILE = Path(napari_superres.__file__).with_name("napari.yaml")


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(FILE)


def test_manifest_is_valid_and_named_as_the_distribution(manifest):
    manifest.validate_imports()
    (point,) = [p for p in entry_points(group="napari.manifest") if p.name == "napari-superres-torch"]
    assert point.value == "napari_superres:napari.yaml"
    assert manifest.name == "napari-superres-torch"
    assert manifest.display_name == "Super-Resolution"


def test_every_command_is_used_and_resolves(manifest):
    contributions = manifest.contributions
    used = {c.command for kind in (contributions.readers, contributions.writers, contributions.widgets) for c in kind}
    used |= {sample.command for sample in contributions.sample_data}
    assert used == {command.id for command in contributions.commands}
    for command in contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(__import__(module, fromlist=[name]), name))


def test_menus_are_real(manifest):
    menus = manifest.contributions.menus
    assert set(menus) == {"napari/layers/filter", "napari/layers/measure", "napari/file/io_utilities"}
    assert all(is_menu_contributable(menu) for menu in menus)


def test_the_reader_claims_what_the_command_line_reads_but_pictures_of_8_bits(manifest):
    (reader,) = manifest.contributions.readers
    assert reader.accepts_directories
    for suffix in READ_SUFFIXES:
        claimed = any(fnmatch(f"a{suffix}", pattern) for pattern in reader.filename_patterns)
        assert claimed == (suffix not in ({*PICTURE.read} - {".png"} | {".zarr"})), suffix


def test_writers_leave_plain_tiff_to_napari(manifest):
    for writer in manifest.contributions.writers:
        assert ".tif" not in writer.filename_extensions


def test_every_sample_can_be_opened(manifest):
    assert {s.key for s in manifest.contributions.sample_data} == {e["name"] for e in list_samples()}


def test_naming_commands_loads_no_torch():
    code = (
        "import sys; from npe2 import PluginManifest\n"
        f"m = PluginManifest.from_file({str(FILE)!r})\n"
        "for c in m.contributions.commands:\n"
        "    module, _, name = c.python_name.partition(':')\n"
        "    getattr(__import__(module, fromlist=[name]), name)\n"
        "from napari_superres.plugin.host.reader import read\n"
        "from napari_superres.plugin.host.samples import sample_layers; sample_layers('nuclei')\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
