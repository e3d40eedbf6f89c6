"""Small networks with random weights, one for every architecture that spandrel and its extra package recognise."""

from importlib import import_module

import torch

# The arguments of each architecture's own class, small and such that spandrel's loader finds them again from the
# shapes of the weights. What a loader cannot find it sets to a fixed value, and that value is written here.
_ARGUMENTS = {
    "ATD": {
        "embed_dim": 16,
        "depths": (2,),
        "num_heads": (2,),
        "num_tokens": 16,
        "upscale": 2,
        "upsampler": "pixelshuffledirect",
    },
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
    "DRUNet": {"in_nc": 2, "nc": [8, 8, 16, 16], "nb": 2},
    "DnCNN": {"nc": 16, "nb": 4},
    "ESRGAN": {"num_filters": 16, "num_blocks": 1, "scale": 2},
    "FBCNN": {"in_nc": 1, "out_nc": 1, "nc": [8, 8, 16, 16], "nb": 2},
    "FDAT": {
        "embed_dim": 16,
        "num_groups": 1,
        "depth_per_group": 1,
        "num_heads": 2,
        "upsampler_type": "pixelshuffledirect",
        "scale": 2,
    },
    "FFTformer": {"dim": 8, "num_blocks": [1, 1, 1], "num_refinement_blocks": 1},
    "GRL": {
        "embed_dim": 16,
        "upscale": 2,
        "upsampler": "pixelshuffledirect",
        "depths": [2],
        "num_heads_window": [1],
        "num_heads_stripe": [1],
        "window_size": 32,
        "stripe_size": [64, 64],
        "stripe_shift": True,
        "anchor_window_down_factor": 4,
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
    "IPT": {"n_feats": 4, "scale": [2], "num_layers": 1},
    "KBNet": {"width": 8, "middle_blk_num": 1, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]},
    "MMRealSR": {
        "num_in_ch": 3,
        "num_out_ch": 3,
        "num_feat": 16,
        "num_block": 1,
        "num_grow_ch": 8,
        "num_feats": [8, 16],
        "num_blocks": [1, 1],
        "downscales": [2, 1],
    },
    "MixDehazeNet": {"out_chans": 4, "embed_dims": [8, 16, 16, 16, 8], "depths": [1, 1, 1, 1, 1]},
    "MoESR": {"scale": 2, "dim": 16, "n_blocks": 1, "n_block": 2, "expansion_factor": 2.0},
    "MoSR": {"upscale": 2, "n_block": 1, "dim": 16},
    "NAFNet": {"width": 8, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]},
    "OmniSR": {"num_feat": 16, "up_scale": 2},
    "PLKSR": {"dim": 16, "n_blocks": 2, "upscaling_factor": 2},
    "RCAN": {"scale": 2, "n_resgroups": 1, "n_resblocks": 2, "n_feats": 16, "reduction": 4},
    "RGT": {"embed_dim": 32, "depth": [2], "num_heads": [2], "mlp_ratio": 2.0},
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
    "SCUNet": {"config": [1, 1, 1, 1, 1, 1, 1], "dim": 64},
    "SPAN": {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 16, "upscale": 2},
    "SeemoRe": {"scale": 2, "num_experts": 3, "num_layers": 1, "embedding_dim": 16},
    "SwiftSRGAN": {"num_channels": 16, "num_blocks": 2, "upscale_factor": 2},
    "Swin2SR": {
        "embed_dim": 16,
        "depths": [2],
        "num_heads": [2],
        "window_size": 8,
        "mlp_ratio": 2.0,
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
_EXTRA_ARGUMENTS = {
    "AdaCode": {"codebook_params": [[64, 16, 32]], "gt_resolution": 512},
    "DDColor": {"encoder_name": "convnext-t", "decoder_name": "SingleColorDecoder", "nf": 32, "num_output_channels": 2, "last_norm": "Spectral", "num_queries": 8},
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
_GAINS = {"Compact": 2, "DnCNN": 2, "FDAT": 2, "PLKSR": 2, "SwiftSRGAN": 2, "ESRGAN": 2, "AuraSR": 1}
_CLASSES = {"KBNet": "KBNet_s", "RealCUGAN": "UpCunet2x"}

NAMES = tuple(sorted(_ARGUMENTS))
EXTRA_NAMES = tuple(sorted(_EXTRA_ARGUMENTS))


def network(name):
    package = "spandrel" if name in _ARGUMENTS else "spandrel_extra_arches"
    arguments = (_ARGUMENTS | _EXTRA_ARGUMENTS)[name]
    module = import_module(f"{package}.architectures.{name}")
    built = getattr(module, _CLASSES.get(name, name))(**arguments)
    with torch.no_grad():
        for weight in built.parameters():
            if weight.is_floating_point() and weight.abs().max() < 1e-3:
                weight.normal_(std=0.1)
            elif weight.ndim > 1: weight.mul_(_GAINS.get(name, 1))
    return built


def checkpoint(name, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = network(name).state_dict()
    return {key: weight.detach().clone().contiguous() for key, weight in weights.items()}
