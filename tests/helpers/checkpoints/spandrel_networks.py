"""Small networks with random weights, one for every architecture that spandrel and spandrel_extra_arches recognise.

spandrel's loaders must find their arguments in the shapes of the weights, or assume them.
"""

import warnings
from importlib import import_module
from typing import Any

import torch

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "ATD": {
        "embed_dim": 16,
        "depths": (2,),
        "num_heads": (2,),
        "num_tokens": 16,
        "upscale": 2,
        "upsampler": "pixelshuffledirect",
    },
    # Enlarges by two for each level up that has no level down: four times, as the published one.
    "AuraSR": {
        "dim": 8,
        "image_size": None,
        "input_image_size": None,
        "init_dim": 8,
        "style_network": {"dim_in": 8, "dim_out": 32, "depth": 2},
        "up_dim_mults": (1, 1, 1, 1, 1),
        "down_dim_mults": (1, 1, 1),
        "self_attn_dim_head": 4,
        "attn_depths": (2, 2, 2, 1, 1),
        "mid_attn_depth": 1,
        "num_conv_kernels": 2,
        "skip_connect_scale": 0.4,
    },
    "CRAFT": {"embed_dim": 32, "depths": [1], "num_heads": [2], "upscale": 2},
    "Compact": {"num_feat": 16, "num_conv": 2, "upscale": 2},
    "DAT": {
        "embed_dim": 32,
        "split_size": [4, 8],
        "depth": [2],
        "num_heads": [2],
        "expansion_factor": 2.0,
        "upscale": 2,
        "upsampler": "pixelshuffledirect",
    },
    "DCTLSA": {"nf": 20, "upscale": 2},
    "DITN": {"dim": 16, "ITL_blocks": 1, "SAL_blocks": 1, "upscale": 2},
    "DRCT": {
        "embed_dim": 16,
        "depths": (6,),
        "num_heads": (2,),
        "window_size": 8,
        "upscale": 2,
        "upsampler": "pixelshuffle",
        "gc": 8,
    },
    # The second input channel is the noise level.
    "DRUNet": {"in_nc": 2, "nc": [8, 8, 16, 16], "nb": 2},
    "DnCNN": {"nc": 16, "nb": 4},
    "ESRGAN": {"num_filters": 16, "num_blocks": 1, "scale": 2},
    # The quality predictor works on 512 channels always.
    "FBCNN": {"in_nc": 1, "out_nc": 1, "nc": [8, 8, 16, 512], "nb": 2},
    "FDAT": {
        "embed_dim": 16,
        "num_groups": 1,
        "depth_per_group": 1,
        "num_heads": 2,
        "scale": 2,
        "upsampler_type": "pixelshuffledirect",
    },
    "FFTformer": {"dim": 8, "num_blocks": [1, 1, 1], "num_refinement_blocks": 1},
    # Windows and stripes are not in the weights: these are the ones assumed when it enlarges.
    "GRL": {
        "embed_dim": 16,
        "depths": [2],
        "num_heads_window": [1],
        "num_heads_stripe": [1],
        "window_size": 32,
        "stripe_size": [64, 64],
        "stripe_shift": True,
        "anchor_window_down_factor": 4,
        "upscale": 2,
        "upsampler": "pixelshuffledirect",
    },
    "HAT": {
        "embed_dim": 16,
        "depths": (2,),
        "num_heads": (2,),
        "window_size": 8,
        "squeeze_factor": 4,
        "mlp_ratio": 2.0,
        "upscale": 2,
        "num_feat": 16,
    },
    "HVICIDNet": {"channels": [8, 8, 16, 16], "heads": [1, 2, 2, 2]},
    "IPT": {"n_feats": 4, "num_layers": 1, "scale": [2]},
    "KBNet": {"width": 8, "middle_blk_num": 1, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]},
    # At scales 1 and 2 spandrel's forward pass fails.
    "MMRealSR": {
        "num_in_ch": 3,
        "num_out_ch": 3,
        "num_feat": 16,
        "num_block": 1,
        "num_grow_ch": 8,
        "num_feats": [8, 16],
        "num_blocks": [1, 1],
        "downscales": [2, 1],
        "scale": 4,
    },
    "MixDehazeNet": {"embed_dims": [8, 16, 16, 16, 8], "depths": [1, 1, 1, 1, 1]},
    "MoESR": {"dim": 16, "n_blocks": 1, "n_block": 2, "expansion_factor": 2.0, "scale": 2},
    "MoSR": {"dim": 16, "n_block": 1, "upscale": 2},
    "NAFNet": {"width": 8, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]},
    "OmniSR": {"num_feat": 16, "up_scale": 2},
    "PLKSR": {"dim": 16, "n_blocks": 2, "upscaling_factor": 2},
    "RCAN": {"n_resgroups": 1, "n_resblocks": 2, "n_feats": 16, "reduction": 4, "scale": 2},
    "RGT": {"embed_dim": 32, "depth": [2], "num_heads": [2], "mlp_ratio": 2.0, "upscale": 2},
    "RealCUGAN": {},
    "RestoreFormer": {
        "n_embed": 16,
        "embed_dim": 32,
        "ch": 32,
        "ch_mult": (1, 1, 1, 1, 1, 1),
        "num_res_blocks": 1,
        "z_channels": 32,
    },
    "RetinexFormer": {"n_feat": 8, "stage": 1},
    "SAFMN": {"dim": 16, "n_blocks": 2, "upscaling_factor": 2},
    "SAFMNBCIE": {"dim": 16, "n_blocks": 1, "num_layers": 2},
    "SCUNet": {"config": [1, 1, 1, 1, 1, 1, 1]},
    "SPAN": {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 16, "upscale": 2},
    "SeemoRe": {"embedding_dim": 16, "num_experts": 3, "num_layers": 1, "scale": 2},
    "SwiftSRGAN": {"num_channels": 16, "num_blocks": 2, "upscale_factor": 2},
    "Swin2SR": {
        "embed_dim": 16,
        "depths": [2],
        "num_heads": [2],
        "window_size": 8,
        "mlp_ratio": 2.0,
        "upscale": 2,
        "upsampler": "pixelshuffledirect",
    },
    "SwinIR": {
        "embed_dim": 16,
        "depths": [2],
        "num_heads": [2],
        "window_size": 8,
        "mlp_ratio": 2.0,
        "upscale": 2,
        "upsampler": "pixelshuffledirect",
    },
    "Uformer": {
        "embed_dim": 8,
        "depths": [1, 1, 1, 1, 1, 1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2, 4, 4, 2, 2, 1],
        "mlp_ratio": 2.0,
    },
}
_EXTRA_ARGUMENTS: dict[str, dict[str, Any]] = {
    # Attention on 256 channels in 24 blocks always.
    "AdaCode": {"codebook_params": [[64, 16, 32]], "gt_resolution": 512},
    "FeMaSR": {"codebook_params": [[256, 16, 32]], "gt_resolution": 512},
    "M3SNet": {"width": 8, "enc_blk_nums": [1, 1, 1, 1]},
    "MIRNet2": {"n_feat": 16, "n_MRB": 1},
    "MPRNet": {"n_feat": 16, "scale_unetfeats": 8, "scale_orsnetfeats": 8, "num_cab": 2},
    "Restormer": {"dim": 8, "num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1},
    "SRFormer": {
        "embed_dim": 16,
        "depths": (2,),
        "num_heads": (2,),
        "window_size": 8,
        "mlp_ratio": 2.0,
        "upscale": 2,
        "upsampler": "pixelshuffledirect",
    },
}
# Classes that are not named as their architecture.
_CLASSES = {"KBNet": "KBNet_s", "RealCUGAN": "UpCunet2x"}
# Without a gain, these return little more than a copy of each pixel or a constant.
_GAINS = {"Compact": 2, "DnCNN": 2, "ESRGAN": 2, "FDAT": 2, "MMRealSR": 2, "PLKSR": 2, "SwiftSRGAN": 2}

NAMES: tuple[str, ...] = tuple(sorted(_ARGUMENTS))
EXTRA_NAMES: tuple[str, ...] = tuple(sorted(_EXTRA_ARGUMENTS))
LEFT_OUT = {
    "GFPGAN": "86 million parameters, whatever the arguments",
    "LaMa": "fills holes: needs a mask in addition to the image",
}
EXTRA_LEFT_OUT = {
    "CodeFormer": "68 million parameters or more, and only images of 512 x 512 pixels",
    "DDColor": "50 million parameters or more, and its spectral norms overflow until trained",
    "MAT": "fills holes: needs a mask in addition to the image",
}


def network(name: str) -> torch.nn.Module:
    """Return a small network of an architecture, with weights from torch's generator."""
    package = "spandrel" if name in _ARGUMENTS else "spandrel_extra_arches"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # meshgrid without indexing, torch.jit.script
        module = import_module(f"{package}.architectures.{name}")
        built: torch.nn.Module = getattr(module, _CLASSES.get(name, name))(**(_ARGUMENTS | _EXTRA_ARGUMENTS)[name])
    with torch.no_grad():
        for weight in built.parameters():
            if weight.abs().max() < 1e-3:  # a branch that is switched off before training
                weight.normal_(std=0.1)
            elif weight.ndim > 1:
                weight.mul_(_GAINS.get(name, 1))
    return built


def checkpoint(name: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return the weights of such a network, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = network(name).state_dict()
    return {key: weight.clone(memory_format=torch.contiguous_format) for key, weight in weights.items()}
