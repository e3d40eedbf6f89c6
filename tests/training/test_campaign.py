"""The campaign: packing images, drawing patches on a device, and training all models of the table within a time."""

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partialmethod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import skimage.data
import torch

from napari_superres import Image, upscale, write_image
from napari_superres.degradation.instruments import Conditioned
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.errors import TrainingError
from napari_superres.io import read_image
from napari_superres.models.library.registry import find_card, open_model
from napari_superres.training.campaign import __main__ as command
from napari_superres.training.campaign import model, pack, run, table
from napari_superres.training.campaign.patches import DevicePatches
from napari_superres.training.campaign.run import Outcome, run_campaign
from napari_superres.training.campaign.step import GraphError, Steps
from napari_superres.training.images.fields_of_view import Field
from napari_superres.training.losses import Loss

CPU = torch.device("cpu")
# A machine lent for its GPU has neither of these libraries.
MISSING = [
    "psutil",
    "zarr",
    "napari",
    "imagecodecs",
    "simplejpeg",
    "platformdirs",
    "yaozarrs",
    "lightning",
    "typer",
    "SimpleITK",
]
WITHOUT = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({MISSING!r}))
sys.argv[0] = "campaign"
runpy.run_module("napari_superres.training.campaign", run_name="__main__")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with grey stacks of 16 bits, and photographs."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "em").mkdir()
    (folder / "BSD200").mkdir()
    camera, astronaut = skimage.data.camera(), skimage.data.astronaut()
    for number in range(5):
        part = camera[number * 60 : number * 60 + 200, 100:300].astype(np.uint16) * 200 + 1000
        stack = Image.from_array(np.stack([part, part[::-1]]), "ZYX", pixel_size=(1, 0.5, 0.5))
        write_image(stack, folder / "em" / f"{number}.ome.tif")
        colours = astronaut[number * 60 : number * 60 + 200, 100:300].copy()
        write_image(Image.from_array(colours, "YXS"), folder / "BSD200" / f"{number}.png")
    PIL.Image.fromarray(astronaut[200:400, 200:400]).save(folder / "BSD200" / "5.jpg", quality=95)
    return folder


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave two trainings in the table."""
    monkeypatch.setattr(table, "_MINUTES", {"science-x2": 2.0, "em-x2": 1.0})


def test_one_command_packs_and_one_trains_all_models(data: Path, tmp_path: Path) -> None:
    """Without the libraries that only other parts of the program need."""
    assert pack.main([str(data), str(tmp_path / "campaign.zip")]) == 0
    out = tmp_path / "out"
    options = [str(out), "--data", str(tmp_path / "campaign.zip"), "--tiny"]
    subprocess.run([sys.executable, "-c", WITHOUT, *options], check=True, timeout=300)
    names = [recipe.name for recipe in table.list_trainings()]
    assert {p.name for p in out.iterdir()} == {*(f"{n}.safetensors" for n in names), "summary.json", "curves.csv"}
    assert len([*out.iterdir()]) <= 8  # as many as a lent machine gives back
    summary = json.loads((out / "summary.json").read_text())
    rows = {row["training"]: row for row in read_curves(out)}
    for name in names:
        card, entry = find_card(out / f"{name}.safetensors"), summary["trainings"][name]
        assert entry["share"] == 1
        assert entry["error"] == ""
        assert len(entry["conditions"]) == 12
        assert int(rows[name]["steps"]) == entry["steps"] > 0
        assert card.scores["validation"]["gain"] == entry["gain"]
        assert card.inputs == 4
        assert card.title.endswith(", large")
        assert f"{entry['steps']} steps" in card.training
        assert ("weights of science-x2-large" in card.training) == (name != "science-x2-large")
    picture = Image.from_array(skimage.data.camera()[:40, :50].astype(np.float32), "YX")
    assert upscale(picture, open_model(out / "em-x2-large.safetensors")).shape == (80, 100)


def read_curves(folder: Path) -> list[dict[str, str]]:
    return [*csv.DictReader((folder / "curves.csv").read_text().splitlines())]


@pytest.mark.usefixtures("two")
def test_a_campaign_that_was_stopped_goes_on(data: Path, tmp_path: Path) -> None:
    first = run_campaign(tmp_path, data, tiny=True, stop=iter([False] * 6 + [True] * 99).__next__)
    assert first == Outcome((), ("science-x2-large", "em-x2-large"), {})
    before = json.loads((tmp_path / "summary.json").read_text())["trainings"]["science-x2-large"]
    assert 0 < before["steps"] < 10
    assert before["share"] < 1
    assert find_card(tmp_path / "science-x2-large.safetensors").inputs == 4
    second = run_campaign(tmp_path, data, tiny=True)
    assert second.finished == ("science-x2-large", "em-x2-large")
    after = json.loads((tmp_path / "summary.json").read_text())["trainings"]["science-x2-large"]
    assert after["steps"] > before["steps"]
    written = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert run_campaign(tmp_path, data, tiny=True) == second
    assert written == {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(TrainingError, match="another size"):
        run_campaign(tmp_path, data)


@pytest.mark.usefixtures("two")
def test_a_training_that_fails_leaves_its_time_to_the_others(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing(model.ModelTraining):
        def run(self, seconds, steps, stop):  # type: ignore[no-untyped-def]
            if self._recipe.name == "science-x2-large":
                raise torch.OutOfMemoryError("no memory is left")
            super().run(seconds, steps, stop)

    monkeypatch.setattr(run, "ModelTraining", Failing)
    options = [str(tmp_path / "out"), "--data", str(data), "--tiny"]
    assert command.main(options) == 1
    assert "no memory is left" in capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())["trainings"]
    assert "no memory is left" in summary["science-x2-large"]["error"]
    assert summary["em-x2-large"]["share"] == 1
    assert summary["em-x2-large"]["start"] == ""  # the weights to start from are not there
    monkeypatch.setattr(run, "ModelTraining", model.ModelTraining)
    assert command.main(options) == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["trainings"]["science-x2-large"]["error"] == ""


@pytest.mark.usefixtures("two")
def test_a_gpu_that_cannot_record_graphs_trains_without_them(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a new process, for the failure leaves the GPU's generator unusable."""
    tried = []

    class Recording(model.ModelTraining):
        def run(self, seconds, steps, stop):  # type: ignore[no-untyped-def]
            tried.append((self._recipe.name, self._steps._takes_graphs))
            if self._steps._takes_graphs:
                raise GraphError("no capture")
            super().run(seconds, steps, stop)

    monkeypatch.setattr(run, "ModelTraining", Recording)
    monkeypatch.setattr(Steps, "__init__", partialmethod(pretend_graphs, Steps.__init__))
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: started.append(words))
    out = tmp_path / "out"
    command.main([str(out), "--data", str(data), "--tiny", "--minutes", "3"])
    (words,) = started
    assert words[1:6] == ["-m", "napari_superres.training.campaign", str(out), "--data", str(data)]
    assert words[6] == "--minutes"
    assert 0 < float(words[7]) <= 3
    assert words[8:] == ["--tiny"]
    assert tried == [("science-x2-large", True)]
    assert command.main(words[3:]) == 0
    assert tried[1:] == [("science-x2-large", False), ("em-x2-large", False)]
    assert len(started) == 1


def pretend_graphs(self: Steps, original: Callable[..., None], *args: object, graphs: bool, **options: object) -> None:
    """Take graphs where a GPU would."""
    original(self, *args, graphs=graphs, **options)
    self._takes_graphs = graphs


@pytest.mark.usefixtures("two")
def test_a_loss_that_is_not_finite_leaves_the_last_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_campaign(tmp_path, data, tiny=True, stop=iter([False] * 6 + [True] * 99).__next__)
    saved = (tmp_path / "science-x2-large.safetensors").read_bytes()
    monkeypatch.setattr(Steps, "mean_loss", lambda _: float("nan"))
    outcome = run_campaign(tmp_path, data, tiny=True)
    assert "not finite" in outcome.errors["science-x2-large"]
    assert (tmp_path / "science-x2-large.safetensors").read_bytes() == saved


@pytest.mark.usefixtures("two")
def test_time_ends_each_training_and_models_are_written_on_the_way(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock that moves on by a second whenever it is read."""
    seconds = itertools.count()
    monkeypatch.setattr(model, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    monkeypatch.setattr(run, "_TINY_STEPS", None)
    assert run_campaign(tmp_path, data, minutes=3, tiny=True).unfinished == ()
    rows = read_curves(tmp_path)
    shares = [float(row["share"]) for row in rows if row["training"] == "science-x2-large"]
    assert len(shares) in (3, 4)  # two minutes, but for preparing, and every half a minute
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(rows) > len(shares)
    assert run_campaign(tmp_path / "late", data, minutes=0, tiny=True).finished == ()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_the_training_and_let_it_save(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pretend(*_: object, stop, **__: object) -> Outcome:  # type: ignore[no-untyped-def]
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        return Outcome((), ("science-x2-large",), {})

    before = signal.getsignal(number)
    monkeypatch.setattr(command, "run_campaign", pretend)
    assert command.main([str(tmp_path)]) == 143
    assert signal.getsignal(number) is before


def test_missing_data_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path / "out"), "--data", str(tmp_path / "nothing.zip")]) == 1
    assert "neither a folder of images nor a packed file" in capsys.readouterr().err
    assert pack.main([str(tmp_path), str(tmp_path / "campaign.zip")]) == 1
    assert "must hold folders of the trainings" in capsys.readouterr().err


def test_packed_images_are_those_of_the_folder(data: Path, tmp_path: Path) -> None:
    written = pack.pack(data, tmp_path / "all.zip", megabytes=10)
    assert {name: count for name, (count, _) in written.items()} == {"em": 5, "BSD200": 6}
    pack.unpack(tmp_path / "all.zip", tmp_path / "all")
    for path in (data / "BSD200").iterdir():
        assert (tmp_path / "all" / "BSD200" / path.name).read_bytes() == path.read_bytes()
    before, after = read_image(data / "em" / "0.ome.tif"), read_image(tmp_path / "all" / "em" / "0.tif")
    assert after.shape == before.shape
    assert after.pixel_size == pytest.approx(before.pixel_size[1:])
    one, two = (np.asarray(image.data).astype(float).ravel() for image in (before, after))
    gain, offset = np.polyfit(two, one, 1)  # the packed one has another range, and a thousand grey levels
    assert np.abs(gain * two + offset - one).max() < np.ptp(one) / 1000


def test_a_small_file_holds_fewer_images(data: Path, tmp_path: Path) -> None:
    total = sum(size for _, size in pack.pack(data, tmp_path / "all.zip", megabytes=10).values())
    written = pack.pack(data, tmp_path / "half.zip", megabytes=total / 2 / 2**20)
    assert (tmp_path / "half.zip").stat().st_size == pytest.approx(total / 2, rel=0.25)
    assert all(0 < count <= 5 for count, _ in written.values())


def test_room_is_divided_by_weight_and_nothing_is_left_unused() -> None:
    parts = pack.divide(100, {"small": (5, 1), "large": (1000, 1), "larger": (1000, 3)})
    assert parts == pytest.approx({"small": 5, "large": 95 / 4, "larger": 3 * 95 / 4})
    assert pack.divide(100, {"all": (7, 1)}) == {"all": 7}


def test_tiles_have_structure_but_some() -> None:
    random = np.random.default_rng(0)
    planes = np.full((4, 512, 1024), 100, np.uint8)
    planes[:, :256, :512] = np.kron(random.integers(0, 255, (4, 64, 128)), np.ones((4, 4))).astype(np.uint8)
    tiles = pack.choose_tiles(planes, 8)
    assert [tile.shape for tile in tiles] == [(256, 256)] * 8
    assert [tile.std() > 10 for tile in tiles].count(False) >= 1
    assert [tile.std() > 10 for tile in tiles].count(True) >= 4


def draws(fields: list[Field], count: int = 64, *, device: torch.device = CPU, **settings: str) -> DevicePatches:
    noise = [(0.0, 0.1 * number) for number in range(len(fields))]
    return DevicePatches(
        fields, noise, scale=(2, 2), edge=16, instrument=Conditioned(psf_sigma=(0, 0.5), **settings), device=device
    )


def test_low_and_high_resolution_patches_show_the_same_place() -> None:
    """Turned alike, from planes that are not square; half of them are only reduced, to 8 bits."""
    scene = skimage.data.camera()[100:201, 100:333].astype(np.float32) / 255
    fields = [Field(scene, weight=1.0), Field(np.ascontiguousarray(scene.T[:, :90]), weight=1.0)]
    low, high = draws(fields, reduction="bicubic").batch(32, torch.Generator().manual_seed(0))
    assert low.shape == (32, 4, 16, 16)
    assert high.shape == (32, 1, 32, 32)
    reduced = resize_bicubic(high.numpy(), (2, 2)).clip(0, 1)
    inside = (slice(16), 0, slice(2, -2), slice(2, -2))
    assert np.abs(low.numpy()[inside] - reduced[inside]).max() <= 0.5 / 255 + 1e-6
    assert len({patch.tobytes() for patch in high.numpy()}) == 32


def test_patches_are_drawn_by_weight_everywhere_and_turned() -> None:
    ramp = np.add.outer(np.linspace(0, 0.5, 64), np.linspace(0, 0.25, 64)).astype(np.float32)
    fields = [Field(ramp, weight=3.0), Field(ramp + 2, weight=1.0)]
    patches = draws(fields)
    corners = patches._draw_corners(8000, torch.Generator().manual_seed(1)).numpy()
    assert (corners[:, 0] == 0).mean() == pytest.approx(0.75, abs=0.02)
    assert sorted(set(corners[:, 1])) == sorted(set(corners[:, 2])) == [*range(32 - 16 - 2 + 1)]
    turns = torch.tensor([[y, x, s] for y in (0, 1) for x in (0, 1) for s in (0, 1)], dtype=torch.bool)
    place = torch.tensor([[0, 3, 5]]).expand(8, -1)
    turned = patches._cut(patches._hr, place, turns, 2).numpy()
    expected = ramp[6:42, 10:46]
    assert {t.tobytes() for t in turned} == {
        np.ascontiguousarray(np.rot90(e, k)).tobytes() for e in (expected, expected.T) for k in range(4)
    }


def test_patches_prefer_structure() -> None:
    busy = np.kron(np.random.default_rng(0).random((16, 16)), np.ones((4, 4))).astype(np.float32)
    fields = [Field(busy, weight=1.0), Field(np.full((64, 64), 0.5, np.float32), weight=1.0)]
    _, high = draws(fields).batch(256, torch.Generator().manual_seed(0))
    assert (high.flatten(1).std(dim=1) > 1e-3).float().mean() > 0.75
    with pytest.raises(TrainingError, match="at least 36 pixels"):
        draws([Field(np.zeros((30, 99), np.float32), weight=1.0)])


def test_the_noise_of_each_field_is_told() -> None:
    """The second field has more."""
    fields = [Field(np.full((64, 64), level, np.float32), weight=1.0) for level in (0.0, 1.0)]
    low, high = draws(fields).batch(400, torch.Generator().manual_seed(0))
    told = [low[high.mean(dim=(1, 2, 3)) == level, 3].mean().item() for level in (0.0, 1.0)]
    assert told[1] > told[0] + 0.1


@pytest.mark.parametrize("reduction", ["binning", "bicubic", "kspace"])
def test_drawing_never_waits_for_the_device(reduction: str) -> None:
    """The meta device has no numbers: whoever asks for one fails. A graph of a GPU must not ask either."""
    fields = [Field(np.zeros((80, 90), np.float32), weight=1.0)]
    low, high = draws(fields, device=torch.device("meta"), reduction=reduction).batch(8)
    assert low.shape == (8, 4, 16, 16)
    assert high.shape == (8, 1, 32, 32)


def steps_of_a_line(device: torch.device) -> Steps:
    """Return the training of a single weight, which should become 2."""
    network = torch.nn.Conv2d(1, 1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)

    def draw() -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.rand(4, 1, 8, 8, device=device)
        return x, 2 * x

    return Steps(network, draw, loss=Loss(), rate=0.1, device=device)


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of NVIDIA")),
    ],
)
def test_steps_train_and_average(device: str) -> None:
    steps = steps_of_a_line(torch.device(device))
    steps.run(5, 0.1)
    first = steps.mean_loss()
    for _ in range(50):
        steps.run(5, 0.1)
    steps.run(50, 0.9)
    assert steps.count >= 305
    assert steps.mean_loss() < first / 4
    weight, average = (float(next(n.parameters()).detach()) for n in (steps.network, steps.average))
    assert weight == pytest.approx(2, abs=0.1)
    assert average == pytest.approx(2, abs=0.3)
    assert average != weight


def test_a_gpu_repeats_one_graph_per_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a graph that only counts: it does not matter here what it holds."""
    steps, replays = steps_of_a_line(CPU), []

    class Graph:
        def replay(self) -> None:
            replays.append(self)

    monkeypatch.setattr(steps, "_takes_graphs", True)
    monkeypatch.setattr(steps, "_capture", lambda *, is_finish: steps._graphs.update({is_finish: Graph()}))
    for progress in (0.1, 0.2, 0.9, 1.0):
        steps.run(10, progress)
    assert [replays.count(graph) for graph in dict.fromkeys(replays)] == [20, 20]
