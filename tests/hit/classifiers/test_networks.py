"""The networks of classifiers, and what is done to their training images."""

import pytest
import torch

from hit.classifiers.augmentation import AUGMENTATIONS, augment, usual_augmentation
from hit.classifiers.networks import NETWORKS, build_classifier, usual_network
from hit.classifiers.training import fit_classifier
from hit.data import Split
from hit.errors import ConfigError
from hit.randomness import generator
from hit.training.loop import Epoch


@pytest.mark.parametrize(
    ("network", "channels", "side", "parameters"),
    [
        ("cnn", 1, 28, 421_642),  # 9·32·C + 32, 9·32·64 + 64, 64·(side/4)²·128 + 128 and 1,290
        ("cnn", 3, 32, 545_098),
        ("cnn", 3, 256, 655_882),  # three more convolutions 64→64
        ("resnet18", 3, 32, 11_173_962),  # torchvision's of ten classes, with a stem of 27 numbers a channel for 147
        ("resnet18", 3, 256, 11_181_642),
        ("densenet121", 3, 32, 6_956_426),
    ],
)
def test_shapes_and_parameters(network: str, channels: int, side: int, parameters: int) -> None:
    model = build_classifier((channels, side, side), 10, network=network).eval()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    images = torch.randint(0, 256, (2, channels, side, side), dtype=torch.uint8)
    x = model.prepare(images)
    assert torch.equal((x * 255).round().to(torch.uint8), images)
    with torch.no_grad():
        features = model.features(x)
        assert features.shape == (2, model.width)
        torch.testing.assert_close(model.head(features), model(x))
        assert model(x).shape == (2, 10)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("channels", "height", "width"), [(1, 28, 28), (3, 40, 24), (2, 9, 13), (5, 8, 256), (1, 200, 17), (3, 96, 128)]
)
def test_any_image_is_taken(network: str, channels: int, height: int, width: int) -> None:
    model = build_classifier((channels, height, width), 7, network=network).eval()
    assert model(torch.rand(2, channels, height, width)).shape == (2, 7)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_batch_of_one_small_image_is_learnt_from(network: str) -> None:
    """Normalisation over a batch needs two places, or two images."""
    split = Split(torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8), torch.zeros(1).long())
    model = build_classifier((3, 8, 8), 2, network=network)
    fit_classifier(model, split, epochs=1, batch_size=16, learning_rate=1e-3, seed=0)


@pytest.mark.parametrize("network", ["resnet18", "densenet121"])
def test_big_networks_learn(network: str) -> None:
    """Colours of 8-pixel images: a few steps tell them apart better than a guess (ln 2)."""
    labels = torch.arange(32) % 2
    images = torch.randint(0, 128, (32, 3, 8, 8), dtype=torch.uint8)
    images[labels == 1, 0] += 100
    model = build_classifier((3, 8, 8), 2, network=network)
    told: list[Epoch] = []
    fit_classifier(
        model,
        Split(images, labels),
        epochs=4,
        batch_size=16,
        learning_rate=1e-3,
        seed=0,
        augmentation="shift_flip",
        on_epoch=told.append,
    )
    assert told[-1].metrics["train/cross_entropy"] < min(0.6, told[0].metrics["train/cross_entropy"])


def test_what_is_usual() -> None:
    assert [usual_network(name, 3) for name in ("svhn", "cifar10", "folder")] == [
        "resnet18",
        "densenet121",
        "densenet121",
    ]
    assert {usual_network("svhn", channels) for channels in (1, 2, 5)} == {"cnn"}
    assert usual_augmentation("imagenet", 3) == "shift_flip"
    assert {usual_augmentation(name, 3) for name in ("svhn", "folder")} == {"shift"}
    assert usual_augmentation("digits", 1) == "shift"


def test_an_unknown_network() -> None:
    with pytest.raises(ConfigError, match="network must be one of cnn, resnet18, densenet121, got 'vgg'"):
        build_classifier((3, 32, 32), 10, network="vgg")


class TestAugment:
    images = torch.randint(0, 256, (64, 3, 32, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))

    def test_a_shift_is_a_crop_of_the_padded_image(self) -> None:
        shifted = augment(self.images, "shift", generator("test", 0))
        assert shifted.shape == self.images.shape
        assert shifted.dtype == torch.uint8
        padded = torch.nn.functional.pad(self.images, (3, 3, 3, 3))
        found = set()
        for one, original in zip(shifted, padded, strict=True):
            crops = [
                (y, x) for y in range(7) for x in range(7) if torch.equal(one, original[:, y : y + 32, x : x + 24])
            ]
            assert len(crops) == 1
            found |= set(crops)
        assert len(found) > 20, "every image is shifted on its own"

    def test_about_half_are_mirrored(self) -> None:
        blank = torch.zeros(1000, 1, 28, 28, dtype=torch.uint8)
        blank[:, :, :, 3:6] = 255  # left of the middle, farther than a shift of 2 pixels can bring it
        left = augment(blank, "shift_flip", generator("test", 0))[:, 0, :, :14].flatten(1).any(1)
        assert 0.4 < left.double().mean() < 0.6
        assert augment(blank, "shift", generator("test", 0))[:, 0, :, :14].flatten(1).any(1).all()

    @pytest.mark.parametrize("kind", AUGMENTATIONS)
    def test_seeds_decide(self, kind: str) -> None:
        one, same, other = (augment(self.images, kind, generator("test", 0, epoch)) for epoch in (0, 0, 1))
        assert torch.equal(one, same)
        assert torch.equal(one, other) == (kind == "none")
