"""Handwritten digits: small ones that come with scikit-learn, or MNIST from a folder."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from neurofa.checking import PLACE
from neurofa.errors import ConfigError
from neurofa.seeds import generator as seeded
from neurofa.stimuli import Stimuli
from neurofa.stimuli.idx_files import read_mnist


def digits(
    generator: np.random.Generator,
    *,
    classes: Annotated[
        tuple[Annotated[int, Field(ge=0, le=9)], ...], Field(description="digits to tell apart; empty = all ten")
    ] = (),
    scaling: Annotated[
        Literal["unit", "standardised"], Field(description="pixels from 0 to 1, or of mean 0 and sd 1 each")
    ] = "unit",
    held_out: Annotated[float, Field(ge=0, lt=1, description="fraction of each digit's images never learned")] = 0.25,
    split_seed: Annotated[int, Field(ge=0, description="decides which are held out, in all animals the same")] = 1,
    mnist_folder: Annotated[
        str, Field(description="folder of the MNIST files; empty = the 1797 small digits", json_schema_extra=PLACE)
    ] = "",
    training_images: Annotated[int, Field(ge=0, description="of MNIST, the first so many; 0 = all")] = 10_000,
    test_images: Annotated[int, Field(ge=0, description="of MNIST, the first so many; 0 = all")] = 2_000,
) -> Stimuli:
    """
    Handwritten digits as images, with the digit as one-hot target; part of the images are held out.

    Parameters
    ----------
    generator : numpy.random.Generator
        Not used: all animals see the same images.
    classes : sequence of int
        Digits to tell apart, in the order of the outputs; empty = all ten.
    scaling : str
        ``"unit"``: pixels from 0 to 1; ``"standardised"``: mean 0 and standard deviation 1 over the images that are
        learned, pixel by pixel, and 0 where a pixel never changes.
    held_out : float
        Fraction of the images of every digit that is shown in the probe only. Of MNIST the test images are held out.
    split_seed : int
        Decides which images are held out; not of MNIST.
    mnist_folder : str
        Folder of the four MNIST files, absolute or as seen from the protocol.
    training_images, test_images : int
        How many images of MNIST, from the first on; 0 = all.

    Returns
    -------
    Stimuli
        Inputs (image, pixel), targets (image, class); labels digit and part (learned or held_out).

    Raises
    ------
    ConfigError
        Where nothing is left to learn, or the files of MNIST cannot be used.

    References
    ----------
    Alpaydin & Kaynak 1998, 10.24432/C50P49 (small digits); LeCun et al. 1998, 10.1109/5.726791 (MNIST).
    """
    chosen = np.array(classes or range(10))
    if len(chosen) < 2 or len(np.unique(chosen)) < len(chosen):
        raise ConfigError(f"stimuli.classes must list at least two different digits, got {chosen.tolist()}")
    if mnist_folder:
        counts = (training_images, test_images)
        images, digit, kept_back = _mnist(Path(mnist_folder), chosen, counts)
    else:
        images, digit = _small_digits()
        among = np.isin(digit, chosen)
        images, digit = images[among], digit[among]
        kept_back = _split(digit, held_out, split_seed)
    if scaling == "standardised":
        images = _standardised(images, ~kept_back)
    target = (digit[:, None] == chosen).astype(float)
    return Stimuli(
        inputs=images,
        targets=target,
        acceptable=target.astype(bool),
        labels={"digit": digit, "part": np.where(kept_back, "held_out", "learned")},
        held_out=kept_back if kept_back.any() else None,
    )


@cache
def _small_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (1797, 64) from 0 to 1, and digits."""
    from sklearn.datasets import load_digits

    images, digit = load_digits(return_X_y=True)
    return (images / 16).astype(np.float32), digit.astype(np.int64)


def _mnist(folder: Path, chosen: np.ndarray, counts: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (image, pixel) from 0 to 1, digits, and which are of the test part."""
    images, digits_, sizes = [], [], []
    for part, count in zip(("training", "test"), counts, strict=True):
        all_images, all_digits = read_mnist(folder, part)
        among = np.flatnonzero(np.isin(all_digits, chosen))
        if len(among) < max(count, 1):
            raise ConfigError(
                f"stimuli.{part}_images is {count}, but {folder} holds {len(among)} such images of the chosen digits; "
                "set it to as many or fewer, or 0 for all"
            )
        among = among[: count or None]
        images.append(all_images[among].reshape(len(among), -1))
        digits_.append(all_digits[among].astype(np.int64))
        sizes.append(all_images.shape[1:])
    if sizes[0] != sizes[1]:
        raise ConfigError(f"the training and test images in {folder} are of different size, {sizes[0]} and {sizes[1]}")
    held_out = np.repeat([False, True], [len(part) for part in images])
    return (np.concatenate(images) / np.float32(255)), np.concatenate(digits_), held_out


def _split(digit: np.ndarray, held_out: float, seed: int) -> np.ndarray:
    """Which images are held out: of every digit as nearly the same share as whole numbers allow."""
    kinds, of_kind = np.unique(digit, return_counts=True)
    learned = round((1 - held_out) * len(digit))
    if learned < len(kinds):
        raise ConfigError(f"stimuli.held_out {held_out:g} of {len(digit)} images leaves {learned} to learn; lower it")
    share = of_kind * learned / len(digit)
    quota = np.floor(share + 1e-9).astype(int)
    quota[np.argsort(quota - share, kind="stable")[: learned - quota.sum()]] += 1
    random = seeded(seed, "digits", "held out")
    mask = np.ones(len(digit), bool)
    for kind, number in zip(kinds, quota, strict=True):
        mask[random.permutation(np.flatnonzero(digit == kind))[:number]] = False
    return mask


def _standardised(images: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """Pixels of mean 0 and standard deviation 1 over the images that are learned."""
    own = images[learned]
    varied = own.max(0) > own.min(0)
    return np.where(varied, (images - own.mean(0)) / np.where(varied, own.std(0), 1), 0)
