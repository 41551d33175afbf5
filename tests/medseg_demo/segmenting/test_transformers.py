from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from medseg_demo import load_checkpoint, read_image, segment
from medseg_demo.settings import Settings

transformers = pytest.importorskip("transformers")
TORCH = Settings(device="cpu", backend="torch", threads=1)
NAMES = {0: "background", 1: "polyp", 2: "tool"}


def segformer(**config: object) -> torch.nn.Module:
    sizes = {"depths": [1] * 4, "hidden_sizes": [8, 16, 24, 32], "num_attention_heads": [1, 2, 2, 4]}
    config = {"num_labels": 3, "id2label": NAMES, "decoder_hidden_size": 16, **sizes, **config}
    return transformers.SegformerForSemanticSegmentation(transformers.SegformerConfig(**config))


def upernet() -> torch.nn.Module:
    backbone = transformers.ConvNextConfig(
        hidden_sizes=[8, 16, 24, 32], depths=[1] * 4, out_features=["stage1", "stage2", "stage3", "stage4"]
    )
    config = transformers.UperNetConfig(
        backbone_config=backbone, hidden_size=16, auxiliary_channels=8, auxiliary_in_channels=24,
        id2label={0: "wall", 1: "organ"}, num_labels=2,
    )  # fmt: skip
    return transformers.UperNetForSemanticSegmentation(config)


def mask2former() -> torch.nn.Module:
    backbone = transformers.SwinConfig(
        embed_dim=12, depths=[1] * 4, num_heads=[1, 2, 3, 4], window_size=4, image_size=64,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone, hidden_dim=32, feature_size=32, mask_feature_size=32, encoder_layers=1,
        decoder_layers=2, num_attention_heads=2, dim_feedforward=16, encoder_feedforward_dim=16, num_queries=5,
        id2label=NAMES, num_labels=3,
    )  # fmt: skip
    return transformers.Mask2FormerForUniversalSegmentation(config)


def fixed(**arguments: object) -> object:
    return transformers.SegformerImageProcessor(size={"height": 64, "width": 96}, **arguments)


def shortest_edge() -> object:
    return transformers.Mask2FormerImageProcessor(size={"shortest_edge": 64, "longest_edge": 128}, ignore_index=255)


CASES = {
    "segformer": (segformer, fixed),
    "segformer without background": (lambda: segformer(id2label={0: "a", 1: "b", 2: "c"}), fixed),
    "segformer of any size": (segformer, lambda: fixed(do_resize=False, image_mean=[0.5] * 3)),
    "upernet": (upernet, fixed),
    "mask2former": (mask2former, shortest_edge),
}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(70, 90, 3)), (4, 4, 0))
    pixels = ((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def by_transformers(folder: Path, file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Ids (H, W) and scores (K, H, W) of the library's own model, processor and post-processing."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    name = transformers.AutoConfig.from_pretrained(folder).architectures[0]
    model = getattr(transformers, name).from_pretrained(folder).eval()
    pixels = np.array(Image.open(file))
    with torch.no_grad():
        outputs = model(pixel_values=processor(images=pixels, return_tensors="pt")["pixel_values"])
    found = processor.post_process_semantic_segmentation(
        outputs, target_sizes=[pixels.shape[:2]], return_segmentation_scores=True
    )[0]
    return found.segmentation.numpy(), found.segmentation_scores.numpy()


@pytest.mark.parametrize("case", CASES)
def test_label_maps_are_those_of_transformers_itself(case, tmp_path, picture):
    make, processor = CASES[case]
    torch.manual_seed(1)
    model = make()
    for values in model.parameters():
        if values.ndim > 1:
            torch.nn.init.normal_(values, std=2 / values[0].numel() ** 0.5)
    model.save_pretrained(tmp_path / "model")
    processor().save_pretrained(tmp_path / "model")
    ids, scores = by_transformers(tmp_path / "model", picture)
    found = segment(read_image(picture), load_checkpoint(tmp_path / "model"), settings=TORCH)
    steps = found.card.recipe
    np.testing.assert_array_equal(found.label_map.labels, ids if steps.has_background else ids + 1)
    shares = scores / np.maximum(scores.sum(0), 1e-6) if steps.are_sums else np.exp(scores) / np.exp(scores).sum(0)
    np.testing.assert_allclose(found.probabilities, shares[steps.has_background :], atol=2e-3)
    assert found.model_input(0).shape[-1] == 3


def test_a_volume_goes_slice_by_slice_and_grey_is_repeated(tmp_path):
    import nibabel

    segformer().save_pretrained(tmp_path / "model")
    fixed().save_pretrained(tmp_path / "model")
    volume = np.random.default_rng(0).normal(size=(20, 24, 3)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "volume.nii.gz")
    told: list[tuple[int, int]] = []
    found = segment(
        read_image(tmp_path / "volume.nii.gz"),
        load_checkpoint(tmp_path / "model"),
        settings=TORCH,
        progress=lambda done, of: told.append((done, of)),
    )
    assert found.label_map.labels.shape == (3, 24, 20)
    assert [done for done, _ in told] == [333, 667, 1000]
