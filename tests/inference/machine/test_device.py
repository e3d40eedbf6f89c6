"""Computing on a device leaves the settings of torch as they were."""

import pytest
import torch

from napari_superres.inference.machine.device import without_tf32
from napari_superres.inference.machine.threads import parallel_threads, thread_count

BACKENDS = (torch.backends.cuda.matmul, torch.backends.cudnn)


def set_tf32(allowed):
    for backend in BACKENDS:
        backend.allow_tf32 = allowed


@pytest.fixture(autouse=True)
def restored():
    before = [backend.allow_tf32 for backend in BACKENDS]
    yield
    for backend, allowed in zip(BACKENDS, before, strict=True):
        backend.allow_tf32 = allowed


def fail_on_the_device():
    with without_tf32("cuda:0"):
        assert not any(backend.allow_tf32 for backend in BACKENDS)
        raise RuntimeError("the device was lost")


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_off_only_while_computing(allowed):
    set_tf32(allowed)
    with pytest.raises(RuntimeError, match="lost"):
        fail_on_the_device()
    assert all(backend.allow_tf32 is allowed for backend in BACKENDS)


@pytest.mark.parametrize("allowed", [True, False])
def test_the_last_of_overlapping_blocks_restores_tf32(allowed):
    set_tf32(allowed)
    first, second = without_tf32("cuda:0"), without_tf32("cuda:0")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not any(backend.allow_tf32 for backend in BACKENDS)
    second.__exit__(None, None, None)
    assert all(backend.allow_tf32 is allowed for backend in BACKENDS)


def test_tf32_of_other_devices_is_not_touched():
    set_tf32(True)
    with without_tf32("cpu"):
        assert all(backend.allow_tf32 for backend in BACKENDS)


def test_thread_counts_are_restored():
    before = torch.get_num_threads()
    with thread_count(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with parallel_threads(2) as submit:
        assert submit(torch.get_num_threads)() == max(1, before // 2)
    assert torch.get_num_threads() == before
