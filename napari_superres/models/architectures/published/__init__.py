"""Networks as their authors publish the weights: the names of the tensors are the authors', the code is written here.

They are run, not trained. Begin with ``rfdn``. To add a network, write its file: the paper at the top, and an
`nn.Module` whose layers have the names of the checkpoint's tensors and get their sizes from `shapes.Shapes`. It has

``__init__(shapes, **variant)``  builds the layers; raises a `LookupError` or `ValueError` if the tensors do not fit
``forward(x)``                   takes ``(B, C, Y, X)``, returns it ``scale`` times as fine
``scale``, ``channels``          of the network that was built
``scales``                       all factors among which the weights leave a choice (optional)
``holds_all_scales``             whether the weights hold layers for each of them (optional)
``smallest``                     edge of the smallest image that it computes, in pixels (optional)
``variants``                     arguments that no tensor shows: the best for an image is taken (optional)
``renamed(name)``                a static method that returns a tensor's name here, if files have other names too

and a line in `NETWORKS` with the names by which it is recognised. A network is taken only if all tensors fit.

``shapes``  layers of the sizes that a checkpoint has
``layers``  layers that several networks share
``rfdn``, ``imdn``, ``bsrn``, ``pan``, ``rlfn``, ``carn``, ``safmn``, ``span``, ``edsr``, ``efdn``  one network each, or
close relatives
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from torch import Tensor, nn

from napari_superres.models.architectures.published.shapes import Shapes


class Network(NamedTuple):
    """A published network and how it is recognised.

    Attributes
    ----------
    home
        File and class.
    keys
        Names of tensors, or of the modules that hold them, that every file of the network has.
    citation
        Reference with DOI.
    """

    home: str
    keys: tuple[str, ...]
    citation: str


NETWORKS = {
    "RFDN": Network(
        "rfdn:RFDN",
        ("fea_conv", "B1.c1_d", "B1.esa.conv_max.weight", "c.0", "LR_conv"),
        "Liu, Tang, Wu 2020, doi:10.1007/978-3-030-67070-2_2",
    ),
    "RLFN": Network(
        "rlfn:RLFN",
        ("conv_1.weight", "block_1.c1_r.weight", "block_1.esa.conv2.weight", "conv_2.weight"),
        "Kong et al. 2022, doi:10.1109/CVPRW56347.2022.00092",
    ),
    "IMDN": Network(
        "imdn:IMDN", ("fea_conv", "IMDB1.c1", "c.0", "LR_conv"), "Hui et al. 2019, doi:10.1145/3343031.3351084"
    ),
    "IMDN-short": Network(
        "imdn:ShortIMDN", ("model.0", "model.1.sub.0", "model.2"), "Hui et al. 2019, doi:10.1145/3343031.3351084"
    ),
    "BSRN": Network(
        "bsrn:BSRN",
        ("fea_conv.pw", "B1.c1_d", "B1.esa.conv_max.pw", "c1", "upsampler.upsampleOneStep"),
        "Li et al. 2022, doi:10.1109/CVPRW56347.2022.00099",
    ),
    "PAN": Network(
        "pan:PAN",
        ("conv_first", "SCPA_trunk.0.PAConv", "trunk_conv"),
        "Zhao et al. 2020, doi:10.1007/978-3-030-67070-2_3",
    ),
    "CARN": Network(
        "carn:CARN",
        ("entry", "b1.b1.body", "b1.c1.body", "c3.body", "upsample", "exit"),
        "Ahn, Kang, Sohn 2018, doi:10.1007/978-3-030-01249-6_16",
    ),
    "SAFMN-NTIRE": Network(
        "safmn:NtireSAFMN",
        ("norm.gamma", "to_feat", "feats.0.safm.mfr", "to_img.0"),
        "Sun et al. 2023, doi:10.1109/ICCV51070.2023.01213",
    ),
    "SAFMNpp": Network(
        "safmn:SAFMNpp",
        ("to_feat", "feats.0.conv1.proj", "feats.0.conv1.dwconv", "to_img.0"),
        "Sun et al. 2023, doi:10.1109/ICCV51070.2023.01213",
    ),
    "EDSR": Network(
        "edsr:EDSR",
        ("conv_first", "body.0.conv1", "conv_after_body", "upsample.0", "conv_last"),
        "Lim et al. 2017, doi:10.1109/CVPRW.2017.151",
    ),
    "RCAN": Network(
        "edsr:RCAN",
        ("conv_first", "body.0.residual_group.0.rcab.3.attention", "conv_after_body", "upsample.0"),
        "Zhang et al. 2018, doi:10.1007/978-3-030-01234-2_18",
    ),
    "SRResNet": Network(
        "edsr:SRResNet",
        ("conv_first", "body.0.conv1", "upconv1", "conv_hr", "conv_last"),
        "Ledig et al. 2017, doi:10.1109/CVPR.2017.19",
    ),
    "EFDN": Network(
        "efdn:EFDN",
        ("head", "cells.0.conv2.rep_conv", "cells.0.att.conv1", "local_fuse.0", "tail.0"),
        "Wang 2022, doi:10.1109/CVPRW56347.2022.00093",
    ),
    "FMEN": Network(
        "efdn:FMEN",
        ("head", "warmup.1.squeeze", "basic_blocks.0.conv1.rep_conv", "hfabs.0.excitate", "lr_conv"),
        "Du et al. 2022, doi:10.1109/CVPRW56347.2022.00101",
    ),
    "SPAN-fused": Network(
        "span:FusedSPAN",
        ("conv_1", "block_1.c1_r", "block_1.c3_r", "conv_cat", "conv_2"),
        "Wan et al. 2024, arXiv:2311.12770",
    ),
}
"""The published networks, by name."""

_BUILD_ERRORS = (LookupError, ValueError, TypeError, RuntimeError, ArithmeticError, AttributeError)


def network_class(name: str) -> Any:
    """Return the class of one of `NETWORKS`."""
    module, attribute = NETWORKS[name].home.split(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute)


class IncompleteError(LookupError):
    """Weights of a network that fit, but for biases that are missing."""


def recognised(weights: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield the names of the networks that all of the weights fit, tensor by tensor.

    Raises
    ------
    IncompleteError
        If they fit none, but would fit one if they held its biases.
    """
    incomplete, fits = None, False
    for name in NETWORKS:
        try:
            load(name, weights)
        except IncompleteError as error:
            incomplete = incomplete or error
            continue
        except _BUILD_ERRORS:
            continue
        fits = True
        yield name
    if incomplete is not None and not fits:
        raise incomplete


def load(name: str, weights: Mapping[str, Tensor], **variant: Any) -> nn.Module:
    """Return a published network with its weights, in evaluation mode.

    Parameters
    ----------
    name
        One of `NETWORKS`.
    weights
        Tensors by the authors' names.
    **variant
        One of the ``variants`` of the network's class, and ``scale`` for one of its ``scales``.

    Raises
    ------
    LookupError, ValueError, RuntimeError
        If the weights are another network's, or incomplete.
    """
    made = network_class(name)
    rename = getattr(made, "renamed", str)
    named = {rename(key): value.float() if value.is_floating_point() else value for key, value in weights.items()}
    shapes = Shapes({key: tuple(value.shape) for key, value in named.items()})
    if missing := [key for key in NETWORKS[name].keys if key not in shapes]:
        raise LookupError(f"{name} has {missing[0]}")
    network: nn.Module = made(shapes, **variant)
    network.load_state_dict(named)
    if shapes.missing:
        others = len(shapes.missing) - 1
        raise IncompleteError(f"{name} has {shapes.missing[0]}" + (f" and {others} others" if others else ""))
    return network.eval()
