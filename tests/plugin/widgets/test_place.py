"""Where to compute: a choice, an address, and what the cluster has."""

import distributed
import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

from napari_superres.plugin.host.preferences import Preferences
from napari_superres.plugin.widgets.batch.settings import BatchSettings
from napari_superres.plugin.widgets.common import place
from napari_superres.plugin.widgets.common.place import CLUSTER, HERE, PlaceForm
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget


@pytest.fixture
def form(qtbot, make_napari_viewer):
    """Return the form in a panel of its own."""
    panel = QWidget()
    qtbot.addWidget(panel)
    found = PlaceForm()
    found.setParent(panel)
    found.session = Session(make_napari_viewer(), lambda: None, lambda: None)
    yield found
    found.session.close()


def test_this_computer_unless_an_address_is_given(form):
    assert (form.kind.value, form.scheduler) == (HERE, None)
    form.address.value = "tls://there:1"
    assert form.scheduler is None
    form.kind.value = CLUSTER
    assert form.scheduler == "tls://there:1"
    form.address.value = "  "
    assert form.scheduler is None


def test_the_place_of_another_window(form):
    form.take("tls://there:1")
    assert form.scheduler == "tls://there:1"
    form.take(None)
    assert (form.kind.value, form.scheduler, form.address.value) == (HERE, None, "tls://there:1")


def test_the_address_of_the_preferences(form, monkeypatch, qtbot):
    monkeypatch.setattr(place, "preferences", lambda: Preferences(scheduler="tls://lab:8786"))
    other = PlaceForm()
    qtbot.addWidget(other)
    assert (other.kind.value, other.scheduler) == (CLUSTER, "tls://lab:8786")


def test_a_cluster_that_does_not_answer(form, qtbot):
    form.kind.value, form.address.value = CLUSTER, "tcp://127.0.0.1:9"
    form.test.click()
    qtbot.waitUntil(lambda: "does not answer" in form.answer.text(), timeout=60_000)
    qtbot.waitUntil(form.test.isEnabled, timeout=60_000)


def test_a_cluster_computes_a_layer(form, qtbot):
    from napari_superres import upscale
    from napari_superres.core.image import Image
    from napari_superres.plugin.worker import tasks

    worker = {"cls": distributed.Worker, "options": {"nthreads": 1, "dashboard": False}}
    quiet = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "dashboard": False}
    with distributed.SpecCluster(
        workers={0: worker}, scheduler={"cls": distributed.Scheduler, "options": quiet}
    ) as cluster:
        form.kind.value, form.address.value = CLUSTER, cluster.scheduler_address
        form.test.click()
        qtbot.waitUntil(lambda: "1 worker on 1 computer" in form.answer.text(), timeout=60_000)
        image = Image.from_array(np.random.default_rng(0).integers(0, 99, (60, 70)).astype(np.uint16), "YX")
        options = {"device": "cpu", "precision": "fp32", "tile": "auto", "scheduler": form.scheduler}
        *_, last = tasks.upscale(image, "bicubic-x2", options)
    expected = upscale(image, "bicubic-x2", device="cpu", precision="fp32")
    np.testing.assert_array_equal(last.image.data, expected.data)
    assert last.image.metadata["provenance"]["cluster"]["workers"] == 1


def test_batch_shows_that_a_cluster_is_preferred(monkeypatch, qtbot):
    here = BatchSettings()
    qtbot.addWidget(here)
    assert not here.advanced.isExpanded()
    assert here.options().scheduler is None
    monkeypatch.setattr(place, "preferences", lambda: Preferences(scheduler="tls://lab:8786"))
    there = BatchSettings()
    qtbot.addWidget(there)
    assert there.advanced.isExpanded()
    assert there.options().scheduler == "tls://lab:8786"


def test_super_resolve_says_that_the_cluster_computes(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.random.default_rng(0).integers(0, 99, (40, 40)).astype(np.uint16))
    widget = UpscaleWidget(viewer)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: bool(widget.state.plan), timeout=60_000)
    assert "cluster" not in widget.state.estimate
    widget.place.take("tls://lab:8786")
    qtbot.waitUntil(lambda: "The cluster computes it" in widget.estimate.text(), timeout=60_000)
    assert widget.state.options["scheduler"] == "tls://lab:8786"
    assert widget.advanced.isAncestorOf(widget.place)
