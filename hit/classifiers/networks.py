"""The networks of classifiers: a small convolutional one, ResNet-18 and DenseNet-121, for images of any size."""

__all__ = ["ARCHITECTURES", "NETWORKS", "Classifier", "build_classifier", "usual_network"]

import torch
from torch import Tensor, nn

from hit.errors import ConfigError

#: Name for users → name of the architecture, to be changed with it: classifiers of two architectures score differently.
ARCHITECTURES = {
    "cnn": "conv32-conv64-linear128-v2",
    "resnet18": "resnet18-small-stem",
    "densenet121": "densenet121-small-stem",
}
NETWORKS = tuple(ARCHITECTURES)

_COLOUR = 3
_HIDDEN = 128
_LAST_SIDE = 8  # the small network halves each side of its images until it is no longer
_SMALL_STEM = 64  # sides up to so many pixels lose too much in torchvision's stem, which is made for 224
_DEEP_SIDE = 16  # shorter sides would end in a single place, of which a batch of one image has no deviation


class Classifier(nn.Module):
    """log p(y|x) up to a constant, from an image.

    Args:
        body: image in [−1, 1] (batch × C × H × W) → features (batch × `width`).
        width: numbers of features.
        classes: M.
    """

    def __init__(self, body: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.body = body
        self.width = width
        self.head = nn.Linear(width, classes)

    def prepare(self, images: Tensor) -> Tensor:
        """The x that the network is fed, float in [0, 1], from uint8 images (batch × C × H × W)."""
        return images.float().div_(255)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, batch × width, of images in [0, 1]: prepared ones, or what a model decodes."""
        return self.body(2 * x - 1)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """Logits, batch × M, of images in [0, 1]."""
        return self.head(self.features(x))  # type: ignore[no-any-return]


def usual_network(name: str, channels: int) -> str:
    """The network that the literature scores the data set called `name` with.

    >>> usual_network("mnist", 1), usual_network("svhn", 3), usual_network("cifar10", 3)
    ('cnn', 'resnet18', 'densenet121')
    """
    if channels != _COLOUR:
        return "cnn"
    return "resnet18" if name == "svhn" else "densenet121"


def build_classifier(
    image_shape: tuple[int, int, int], classes: int, seed: int = 0, network: str = "cnn"
) -> Classifier:
    """The untrained classifier for images of a shape (C, H, W), its weights drawn from `seed`.

    - cnn: conv 3/1/1 C→32, max-pool 2, then conv 3/1/1 →64, max-pool 2 until no side is above 8 (a side that is
      there already is left alone), linear →128; ReLU between.
    - resnet18 (https://arxiv.org/abs/1512.03385) and densenet121 (https://arxiv.org/abs/1608.06993):
      torchvision's. Where the shorter side has up to 64 pixels their stem is conv 3/1/1 without max-pool, above it is
      the original one; below 16 pixels they see images twice as large.

    Raises:
        ConfigError: there is no such network.

    >>> build_classifier((1, 28, 28), 10)(torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3, 10])
    """
    if network not in NETWORKS:
        raise ConfigError(f"network must be one of {', '.join(NETWORKS)}, got {network!r}")
    # As in hit.models.build: the layers' initialisers draw from the global generator.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        match network:
            case "resnet18":
                return Classifier(_resnet(image_shape), 512, classes)
            case "densenet121":
                return Classifier(_densenet(image_shape), 1024, classes)
        return Classifier(_cnn(image_shape), _HIDDEN, classes)


def _cnn(image_shape: tuple[int, int, int]) -> nn.Module:
    channels, height, width = image_shape
    layers: list[nn.Module] = []
    wide = 32
    while not layers or max(height, width) > _LAST_SIDE:
        down, across = (2 if not layers or side > _LAST_SIDE else 1 for side in (height, width))
        layers += [nn.Conv2d(channels, wide, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d((down, across))]
        channels, wide = wide, 64
        height, width = height // down, width // across
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, _HIDDEN), nn.ReLU())


def _resnet(image_shape: tuple[int, int, int]) -> nn.Module:
    from torchvision.models import resnet18  # takes a second to import, which the small network need not pay

    network: nn.Module = resnet18(weights=None)
    network.fc = nn.Identity()
    network.conv1 = _stem(image_shape)
    if _is_small(image_shape):
        network.maxpool = nn.Identity()
    return _seen_large_enough(image_shape, network)


def _densenet(image_shape: tuple[int, int, int]) -> nn.Module:
    from torchvision.models import densenet121

    network = densenet121(weights=None)
    network.classifier = nn.Identity()
    network.features.conv0 = _stem(image_shape)
    if _is_small(image_shape):
        network.features.pool0 = nn.Identity()
    return _seen_large_enough(image_shape, network)


def _seen_large_enough(image_shape: tuple[int, int, int], network: nn.Module) -> nn.Module:
    if min(image_shape[1:]) >= _DEEP_SIDE:
        return network
    return nn.Sequential(nn.Upsample(scale_factor=2), network)


def _stem(image_shape: tuple[int, int, int]) -> nn.Conv2d:
    """The first convolution of both, →64."""
    kernel, stride, padding = (3, 1, 1) if _is_small(image_shape) else (7, 2, 3)
    stem = nn.Conv2d(image_shape[0], 64, kernel, stride, padding, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    return stem


def _is_small(image_shape: tuple[int, int, int]) -> bool:
    return min(image_shape[1:]) <= _SMALL_STEM
