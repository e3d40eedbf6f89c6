"""Files of other programs that never end, fill the memory or crash end a child process, and nothing else."""

import _codecs
import os
import pickle
import shutil
import sys
import zipfile

import numpy as np
import onnx
import psutil
import pytest
from helpers.checkpoints import bioimageio_packages as packages
from helpers.library_files import file_names, start_python, with_card
from onnx import TensorProto, helper, numpy_helper

from napari_superres import Image, upscale
from napari_superres.errors import ModelFileError, SuperResWarning
from napari_superres.models import add_model, load_model
from napari_superres.models.foreign import confined

pytestmark = pytest.mark.usefixtures("folder")

PIXELS = numpy_helper.from_array(np.ones((1, 1, 2, 2), np.float32), "w")
ZERO = numpy_helper.from_array(np.zeros((), np.float32), "zero")


def program(nodes, tensors, added="nothing"):
    """Return a program that doubles pixels and adds something."""
    doubled = helper.make_node("ConvTranspose", ["x", "w"], ["u"], strides=[2, 2])
    total = helper.make_node("Add", ["u", added], ["y"])
    free = [None] * 4
    graph = helper.make_graph(
        [doubled, *nodes, total],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, free)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, free)],
        [PIXELS, ZERO, *tensors],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def times_zero(name):
    return helper.make_node("Mul", [name, "zero"], ["nothing"])


def integers(name, value):
    return numpy_helper.from_array(np.array(value, dtype=np.int64), name)


def endless():
    yes = numpy_helper.from_array(np.array(True), "yes")
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["v"], ["same"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("same", TensorProto.FLOAT, []),
        ],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Loop", ["", "yes", "most"], ["last"], body=body),
    ]
    return program([*nodes, times_zero("last")], [yes])


def filling():
    nodes = [
        helper.make_node("ConstantOfShape", ["many"], ["filled"]),
        helper.make_node("ReduceMax", ["filled"], ["one"], keepdims=0),
    ]
    return program([*nodes, times_zero("one")], [integers("many", [800_000_000])])


def dividing():
    """Divide by an integer that is 0 for images of less than 10 pixels, which is more than the description states."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "two"], ["height"]),
        helper.make_node("Div", ["height", "least"], ["steps"]),
        helper.make_node("Div", ["height", "steps"], ["step"]),
        helper.make_node("Cast", ["step"], ["number"], to=TensorProto.FLOAT),
    ]
    return program([*nodes, times_zero("number")], [integers("two", 2), integers("least", 10)])


def referring(place):
    model = program([helper.make_node("Identity", ["zero"], ["nothing"])], [])
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], place, offset=0, length=16)
    model.graph.initializer[0].ClearField("raw_data")
    return model


def package(path, model):
    """Write a package of a program that doubles pixels."""
    image = packages.example_image()
    return packages.write_package(
        path,
        edit=lambda description: description["weights"]["onnx"].pop("sha256"),
        files={"weights.onnx": model.SerializeToString()},
        test_input=image,
        test_output=image.repeat(2, 2).repeat(2, 3),
    )


def test_a_program_that_never_ends(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(confined, "STEP_S", 2.0)
    path = package(tmp_path / "endless.zip", endless())
    with pytest.raises(ModelFileError, match=r"endless.zip was stopped: .* takes more than 2 seconds, and may never"):
        add_model(path)
    assert file_names(folder) == []


def test_a_program_that_fills_the_memory(tmp_path, folder):
    before = psutil.virtual_memory().available
    with pytest.raises(ModelFileError, match=r"filling.zip was stopped: computing .* more than 0.5 GB of memory"):
        add_model(package(tmp_path / "filling.zip", filling()))
    assert file_names(folder) == []
    assert psutil.virtual_memory().available > before - 2 * 2**30, "the child is gone"


def test_a_program_that_crashes_on_small_images_gets_larger_ones(tmp_path):
    """Its description states 8 pixels and steps of 2. Where onnxruntime divides by 0, smaller images end everything."""
    assert add_model(package(tmp_path / "dividing.zip", dividing())).multiple == (16, 16)
    image = Image.from_array(100 * np.random.default_rng(0).random((4, 5), dtype=np.float32), "YX")
    np.testing.assert_allclose(upscale(image, "dividing").data, image.data.repeat(2, 0).repeat(2, 1), rtol=1e-6)


def test_a_program_from_another_computer_is_measured_before_it_runs_here(tmp_path, folder):
    add_model(package(tmp_path / "dividing.zip", dividing()))
    copy = shutil.copy(folder / "dividing.safetensors", tmp_path / "given.safetensors")
    with_card(multiple=[1, 1])(copy)
    with pytest.warns(SuperResWarning, match=r"The card of given is wrong: multiple \(1, 1\), measured \(16, 16\)"):
        assert load_model(copy).card.multiple == (16, 16)


@pytest.mark.parametrize("place", ["/etc/passwd", "../secret.bin", "secret.bin", "rdf.yaml"])
def test_data_outside_of_the_package_are_not_read(place, tmp_path, monkeypatch):
    """Not even from the current folder, in which the runtime looks for them."""
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    monkeypatch.chdir(tmp_path)
    path = package(tmp_path / "referring.zip", referring(place))
    with pytest.raises(
        ModelFileError, match=f"referring.zip: .*refers to the file '{place}', which is not part|refers"
    ):
        add_model(path)


class Call:
    """Call a function when unpickled."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def doubled(times):
    text = Call(_codecs.encode, "a" * 64, "latin1")
    for _ in range(times):
        text = Call(_codecs.encode, text, "hex")
    return text


def nested(times):
    inner = {}
    for _ in range(times):
        inner = {"a": inner, "b": inner}
    return inner


def itself():
    content = {}
    content["a"] = content
    return content


CHECKPOINTS = {
    "bytearray": (lambda: pickle.dumps({"w": Call(bytearray, 6 * 2**30)}, 2), "was stopped: reading it .* of memory"),
    "doubled": (lambda: pickle.dumps({"w": doubled(40)}, 2), "was stopped: reading it takes more than 0.1 GB"),
    "nested": (lambda: pickle.dumps(nested(60), 2), "holds no floating-point weights by name"),
    "itself": (lambda: pickle.dumps(itself(), 2), "holds no floating-point weights by name"),
    # A tuple of itself, forty times: its hash takes days.
    "hash": (lambda: b"\x80\x02})" + b"q\x01h\x01\x86" * 40 + b"K\x01s.", "reading it takes more than 2 seconds"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_small_checkpoints_that_ask_for_much(name, tmp_path, folder, monkeypatch):
    monkeypatch.setattr(confined, "STEP_S", 2.0 if name == "hash" else confined.STEP_S)
    make, message = CHECKPOINTS[name]
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        for member, content in (("data.pkl", make()), ("version", b"3\n"), ("byteorder", b"little")):
            archive.writestr(f"a/{member}", content)
    with pytest.raises(ModelFileError, match=message):
        add_model(tmp_path / "a.pth")
    assert file_names(folder) == []


ADD = "import sys; from napari_superres.models import add_model; add_model(sys.argv[1])"


@pytest.mark.slow
def test_the_child_ends_with_its_owner(tmp_path):
    """Even if that is killed while a program runs that never ends."""
    owner = start_python(ADD, package(tmp_path / "endless.zip", endless()))
    family = []
    while len(family) < 2:  # the process that imports, and the one that it forks
        assert owner.poll() is None
        family = psutil.Process(owner.pid).children(recursive=True)
        psutil.wait_procs([psutil.Process(owner.pid)], timeout=0.1)
    owner.kill()
    owner.communicate()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive


@pytest.mark.parametrize(
    ("waited", "used", "stopped"),
    [
        (119.0, 119.0, False),
        (121.0, 119.0, False),
        (121.0, 121.0, True),
        (2000.0, 60.0, False),
        (2000.0, 1.0, True),
        (20_000.0, 100.0, True),
    ],
    ids=["in time", "shared", "too long", "a busy computer", "asleep", "for hours"],
)
def test_what_is_slow_because_of_others_goes_on(waited, used, stopped, monkeypatch):
    monkeypatch.setattr(confined, "monotonic", lambda: waited)
    monkeypatch.setattr(confined, "_processor_s", lambda _: used)
    monkeypatch.setattr(confined, "_memory", lambda _: 0)
    assert bool(confined._Progress(0, pid=1).excess()) is stopped


def test_the_time_is_that_of_the_busiest_thread():
    """A program that never ends uses one thread, however many processors there are."""
    used = confined._processor_s(os.getpid())
    times = psutil.Process().cpu_times()
    assert 0 < used <= times.user + times.system + 0.1
    if sys.platform == "linux":
        busiest = max(t.user_time + t.system_time for t in psutil.Process().threads())
        assert used == pytest.approx(busiest, abs=1)
