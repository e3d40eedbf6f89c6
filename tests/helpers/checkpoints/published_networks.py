"""Checkpoints of published networks with random weights, in their authors' layouts: names of tensors and shapes.

The layouts are those of the files that the authors publish, with fewer features and blocks.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Shape = tuple[int, ...]


def _conv(name: str, outputs: int, inputs: int, size: int = 3, *, bias: bool = True) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs, size, size)} | ({f"{name}.bias": (outputs,)} if bias else {})


def _esa(name: str, features: int, few: int, *, long: bool = True) -> dict[str, Shape]:
    made = _conv(f"{name}.conv1", few, features, 1) | _conv(f"{name}.conv_f", few, few, 1)
    for layer in ("conv_max", "conv2", "conv3", "conv3_") if long else ("conv2", "conv3"):
        made |= _conv(f"{name}.{layer}", few, few)
    return made | _conv(f"{name}.conv4", features, few, 1)


def _split(name: str, outputs: int, inputs: int) -> dict[str, Shape]:
    return _conv(f"{name}.pw", outputs, inputs, 1, bias=False) | _conv(f"{name}.dw", outputs, 1)


def rfdn(features: int = 8, blocks: int = 2, scale: int = 4) -> dict[str, Shape]:
    half = features // 2
    made = _conv("fea_conv", features, 3) | _conv("LR_conv", features, features)
    made |= _conv("c.0", features, features * blocks, 1) | _conv("upsampler.0", 3 * scale**2, features)
    for n in range(1, blocks + 1):
        for step in (1, 2, 3):
            made |= _conv(f"B{n}.c{step}_d", half, features, 1) | _conv(f"B{n}.c{step}_r", features, features)
        made |= _conv(f"B{n}.c4", half, features) | _conv(f"B{n}.c5", features, 4 * half, 1)
        made |= _esa(f"B{n}.esa", features, 2)
    return made


def rlfn(features: int = 8, blocks: int = 2, scale: int = 2) -> dict[str, Shape]:
    made = _conv("conv_1", features, 3) | _conv("conv_2", features, features)
    made |= _conv("upsampler.0", 3 * scale**2, features)
    for n in range(1, blocks + 1):
        for step in (1, 2, 3):
            made |= _conv(f"block_{n}.c{step}_r", features, features)
        made |= _conv(f"block_{n}.c5", features, features, 1) | _esa(f"block_{n}.esa", features, 4, long=False)
    return made


def imdn(features: int = 16, blocks: int = 2, scale: int = 3) -> dict[str, Shape]:
    kept, rest = features // 4, features - features // 4
    made = _conv("fea_conv", features, 3) | _conv("LR_conv", features, features)
    made |= _conv("c.0", features, features * blocks, 1) | _conv("upsampler.0", 3 * scale**2, features)
    for n in range(1, blocks + 1):
        name = f"IMDB{n}"
        made |= _conv(f"{name}.c1", features, features) | _conv(f"{name}.c4", kept, rest)
        made |= _conv(f"{name}.c2", features, rest) | _conv(f"{name}.c3", features, rest)
        made |= _conv(f"{name}.c5", features, features, 1)
        made |= _conv(f"{name}.cca.conv_du.0", 1, features, 1) | _conv(f"{name}.cca.conv_du.2", features, 1, 1)
    return made


def short_imdn(features: int = 16, blocks: int = 2, scale: int = 4) -> dict[str, Shape]:
    kept, rest = features // 4, features - features // 4
    made = _conv("model.0", features, 3) | _conv("model.2", 3 * scale**2, features)
    for n in range(blocks):
        name = f"model.1.sub.{n}"
        made |= _conv(f"{name}.conv1.0", features, features) | _conv(f"{name}.conv2.0", features, rest)
        made |= _conv(f"{name}.conv3.0", features, rest) | _conv(f"{name}.conv4", kept, rest)
        made |= _conv(f"{name}.conv1x1", features, features, 1)
    return made | _conv(f"model.1.sub.{blocks}", features, features)


def bsrn(features: int = 8, blocks: int = 2, scale: int = 2) -> dict[str, Shape]:
    half = features // 2
    made = _split("fea_conv", features, 12) | _split("c2", features, features)
    made |= _conv("c1", features, features * blocks, 1)
    made |= _conv("upsampler.upsampleOneStep.0", 3 * scale**2, features)
    for n in range(1, blocks + 1):
        for step in (1, 2, 3):
            made |= _conv(f"B{n}.c{step}_d", half, features, 1) | _split(f"B{n}.c{step}_r", features, features)
        made |= _split(f"B{n}.c4", half, features) | _conv(f"B{n}.c5", features, 4 * half, 1)
        made |= _conv(f"B{n}.esa.conv1", 2, features, 1) | _conv(f"B{n}.esa.conv_f", 2, 2, 1)
        for layer in ("conv_max", "conv2", "conv3", "conv3_"):
            made |= _split(f"B{n}.esa.{layer}", 2, 2)
        made |= _conv(f"B{n}.esa.conv4", features, 2, 1)
        made |= _conv(f"B{n}.cca.conv_du.0", 1, features, 1) | _conv(f"B{n}.cca.conv_du.2", features, 1, 1)
    return made


def pan(features: int = 8, blocks: int = 2, scale: int = 4) -> dict[str, Shape]:
    half, wide = features // 2, 6
    made = _conv("conv_first", features, 3) | _conv("trunk_conv", features, features) | _conv("conv_last", 3, wide)
    for n in range(blocks):
        name = f"SCPA_trunk.{n}"
        for path in ("conv1_a", "conv1_b"):
            made |= _conv(f"{name}.{path}", half, features, 1, bias=False)
        made |= _conv(f"{name}.k1.0", half, half, bias=False) | _conv(f"{name}.PAConv.k2", half, half, 1)
        for path in ("k3", "k4"):
            made |= _conv(f"{name}.PAConv.{path}", half, half, bias=False)
        made |= _conv(f"{name}.conv3", features, features, 1, bias=False)
    for step in (1, 2) if scale == 4 else (1,):
        made |= _conv(f"upconv{step}", wide, features if step == 1 else wide) | _conv(f"HRconv{step}", wide, wide)
        made |= _conv(f"att{step}.conv", wide, wide, 1)
    return made


def carn(features: int = 8, groups: int = 1, *, shared: bool = False) -> dict[str, Shape]:
    made = _conv("sub_mean.shifter", 3, 3, 1) | _conv("add_mean.shifter", 3, 3, 1)
    made |= _conv("entry", features, 3) | _conv("exit", 3, features)
    for n in (1, 2, 3):
        made |= _conv(f"c{n}.body.0", features, (n + 1) * features, 1)
        for m in (1,) if shared else (1, 2, 3):
            body = f"b{n}.b{m}.body"
            made |= _conv(f"{body}.0", features, features // groups) | _conv(f"{body}.2", features, features // groups)
            made |= _conv(f"{body}.4", features, features, 1) if shared else {}
        for m in (1, 2, 3):
            made |= _conv(f"b{n}.c{m}.body.0", features, (m + 1) * features, 1)
    for name, factor in (("up2.body.0", 2), ("up3.body.0", 3), ("up4.body.0", 2), ("up4.body.3", 2)):
        made |= _conv(f"upsample.{name}", features * factor**2, features // groups)
    return made


def safmn(features: int = 8, blocks: int = 1, scale: int = 4) -> dict[str, Shape]:
    made: dict[str, Shape] = {"norm.gamma": (1, features, 1, 1), "norm.beta": (1, features, 1, 1)}
    made |= _conv("to_feat", features, 3) | _conv("to_img.0", 3 * scale**2, features)
    for n in range(blocks):
        for level in range(4):
            made |= _conv(f"feats.{n}.safm.mfr.{level}", features // 4, 1, bias=False)
        made |= _conv(f"feats.{n}.safm.aggr", features, features, 1, bias=False)
        made |= _conv(f"feats.{n}.ccm.ccm.0", 2 * features, features, bias=False)
        made |= _conv(f"feats.{n}.ccm.ccm.2", features, 2 * features, 1, bias=False)
    return made


def safmn_pp(features: int = 6, blocks: int = 2, scale: int = 4) -> dict[str, Shape]:
    third = features // 3
    made = _conv("to_feat", features, 3, bias=False) | _conv("to_img.0", 3 * scale**2, features, bias=False)
    for n in range(blocks):
        made |= _conv(f"feats.{n}.conv1.proj", features, features, bias=False)
        made |= _conv(f"feats.{n}.conv1.dwconv", third, 1, bias=False)
        made |= _conv(f"feats.{n}.conv1.out", features, features, 1, bias=False)
        made |= _conv(f"feats.{n}.conv2.conv1", 2 * features, features, bias=False)
        made |= _conv(f"feats.{n}.conv2.conv2", features, 2 * features, 1, bias=False)
    return made


def span(features: int = 8, blocks: int = 6, scale: int = 4) -> dict[str, Shape]:
    made = _conv("conv_1.eval_conv", features, 3) | _conv("conv_2.eval_conv", features, features)
    made |= _conv("conv_cat", features, 4 * features, 1) | _conv("upsampler.0", 3 * scale**2, features)
    for n in range(1, blocks + 1):
        for step in (1, 2, 3):
            made |= _conv(f"block_{n}.c{step}_r.eval_conv", features, features)
    return made


def edsr(features: int = 8, blocks: int = 2) -> dict[str, Shape]:
    """As the authors name them; the mean colours are stored."""
    made = _conv("sub_mean", 3, 3, 1) | _conv("add_mean", 3, 3, 1) | _conv("head.0", features, 3)
    for n in range(blocks):
        made |= _conv(f"body.{n}.body.0", features, features) | _conv(f"body.{n}.body.2", features, features)
    made |= _conv(f"body.{blocks}", features, features)
    return made | _conv("tail.0.0", 4 * features, features) | _conv("tail.1", 3, features)


def basic_edsr(features: int = 8, blocks: int = 2) -> dict[str, Shape]:
    made = _conv("conv_first", features, 3) | _conv("conv_after_body", features, features)
    for n in range(blocks):
        made |= _conv(f"body.{n}.conv1", features, features) | _conv(f"body.{n}.conv2", features, features)
    return made | _conv("upsample.0", 9 * features, features) | _conv("conv_last", 3, features)


def basic_rcan(features: int = 8, blocks: int = 2) -> dict[str, Shape]:
    made = _conv("conv_first", features, 3) | _conv("conv_after_body", features, features)
    for n in range(2):
        for m in range(blocks):
            name = f"body.{n}.residual_group.{m}.rcab"
            made |= _conv(f"{name}.0", features, features) | _conv(f"{name}.2", features, features)
            made |= _conv(f"{name}.3.attention.1", 2, features, 1) | _conv(f"{name}.3.attention.3", features, 2, 1)
        made |= _conv(f"body.{n}.conv", features, features)
    return made | _conv("upsample.0", 4 * features, features) | _conv("conv_last", 3, features)


def srresnet(features: int = 8, blocks: int = 2, *, trunk: str = "body", high: str = "conv_hr") -> dict[str, Shape]:
    made = _conv("conv_first", features, 3) | _conv(high, features, features) | _conv("conv_last", 3, features)
    for n in range(blocks):
        made |= _conv(f"{trunk}.{n}.conv1", features, features) | _conv(f"{trunk}.{n}.conv2", features, features)
    return made | _conv("upconv1", 4 * features, features) | _conv("upconv2", 4 * features, features)


def efdn(features: int = 8, scale: int = 4) -> dict[str, Shape]:
    made = _conv("head", features, 3) | _conv("tail.0", 3 * scale**2, features)
    for n in range(4):
        name = f"cells.{n}"
        for layer, size in (("conv1.conv1x1", 1), ("conv2.rep_conv", 3), ("conv3.rep_conv", 3)):
            made |= _conv(f"{name}.{layer}", features, features, size)
            made[f"{name}.{layer[:5]}.act.weight"] = (features,)
        for m in range(4):
            made |= _conv(f"{name}.branch.{m}", features // 2, features, 1)
        made |= _conv(f"{name}.fuse", features, 2 * features, 1) | _esa(f"{name}.att", features, 2)
    for n in range(3):
        made |= _conv(f"local_fuse.{n}", features, 2 * features, 1)
    return made


def fmen(features: int = 8, blocks: int = 2, scale: int = 4) -> dict[str, Shape]:
    made = _conv("head", features, 3) | _conv("lr_conv", features, features) | _conv("warmup.0", features, features)
    made |= _conv("tail.0", 3 * scale**2, features)
    for name in ("warmup.1", *(f"hfabs.{n}" for n in range(blocks))):
        made |= _conv(f"{name}.squeeze", 4, features) | _conv(f"{name}.excitate", features, 4)
        made |= _conv(f"{name}.convs.0.conv1.rep_conv", 4, 4) | _conv(f"{name}.convs.0.conv2.rep_conv", 4, 4)
    for n in range(blocks):
        made |= _conv(f"basic_blocks.{n}.conv1.rep_conv", features, features)
        made |= _conv(f"basic_blocks.{n}.conv2.rep_conv", features, features)
    return made


LAYOUTS: Mapping[str, tuple[str, int, dict[str, Shape]]] = {
    "rfdn": ("RFDN", 4, rfdn()),
    "rlfn": ("RLFN", 2, rlfn()),
    "imdn": ("IMDN", 3, imdn()),
    "short_imdn": ("IMDN-short", 4, short_imdn()),
    "bsrn": ("BSRN", 2, bsrn()),
    "pan": ("PAN", 4, pan()),
    "pan_x3": ("PAN", 3, pan(scale=3)),
    "carn": ("CARN", 2, carn()),
    "carn_m_x4": ("CARN", 4, carn(groups=2, shared=True)),
    "safmn": ("SAFMN-NTIRE", 4, safmn()),
    "safmn_pp": ("SAFMNpp", 4, safmn_pp()),
    "span": ("SPAN-fused", 4, span()),
    "edsr": ("EDSR", 2, edsr()),
    "basic_edsr": ("EDSR", 3, basic_edsr()),
    "basic_rcan": ("RCAN", 2, basic_rcan()),
    "srresnet": ("SRResNet", 4, srresnet()),
    "old_srresnet": ("SRResNet", 4, srresnet(trunk="recon_trunk", high="HRconv")),
    "efdn": ("EFDN", 4, efdn()),
    "fmen": ("FMEN", 4, fmen()),
}
"""Network, factor and layout, by a name for the file."""


def weights(layout: Mapping[str, Shape], seed: int = 0) -> dict[str, Tensor]:
    """Return small random tensors of a layout; mean colours are shifted by nothing."""
    random = torch.Generator().manual_seed(seed)
    made = {name: 0.2 * torch.randn(shape, generator=random) for name, shape in layout.items()}
    still = {
        key: torch.eye(3).reshape(3, 3, 1, 1) if v.ndim == 4 else torch.zeros(3)
        for key, v in made.items()
        if "_mean" in key
    }
    return made | still


def checkpoint(name: str) -> dict[str, Any]:
    """Return a checkpoint of one of `LAYOUTS`."""
    return weights(LAYOUTS[name][2])
