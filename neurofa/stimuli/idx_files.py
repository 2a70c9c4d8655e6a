"""Image files in the IDX format, in which the MNIST digits are distributed."""

import gzip
import struct
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from neurofa.errors import ConfigError

#: magic numbers: unsigned bytes in one or three dimensions
_MAGIC = {1: 0x00000801, 3: 0x00000803}
_PREFIXES = {"training": "train", "test": "t10k"}


def read_mnist(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """
    Read the images and labels of one part of MNIST.

    Parameters
    ----------
    folder : pathlib.Path
        Holds ``train-images-idx3-ubyte`` and its three companions, with or without ``.gz``.
    part : str
        ``"training"`` or ``"test"``.

    Returns
    -------
    images : numpy.ndarray
        (image, row, column) uint8, 0 to 255; read-only.
    digits : numpy.ndarray
        (image,) uint8, 0 to 9; read-only.

    Raises
    ------
    ConfigError
        Where files are missing or broken, or do not fit each other.

    References
    ----------
    LeCun et al. 1998, 10.1109/5.726791 (the images).
    """
    images_file = _find(folder, f"{_PREFIXES[part]}-images", 3)
    digits_file = _find(folder, f"{_PREFIXES[part]}-labels", 1)
    images, digits = _read(images_file, 3), _read(digits_file, 1)
    if len(images) != len(digits):
        raise ConfigError(
            f"{images_file.name} holds {len(images)} images and {digits_file.name} {len(digits)} labels; "
            "expected as many, fetch both files again"
        )
    if digits.max(initial=0) > 9:
        raise ConfigError(f"{digits_file.name} holds the label {digits.max()}, expected digits from 0 to 9")
    return images, digits


def read_idx(file: Path, dimensions: int) -> np.ndarray:
    """
    Read one IDX file of unsigned bytes.

    Parameters
    ----------
    file : pathlib.Path
        The file; compressed where its name ends in ``.gz``.
    dimensions : int
        1 for labels, 3 for images.

    Returns
    -------
    numpy.ndarray
        uint8, of the size that the file states; read-only.

    Raises
    ------
    ConfigError
        Where it cannot be read, is no such file, or is longer or shorter than it states.
    """
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{file} cannot be read ({error}); fetch it again") from error
    header = 4 * (1 + dimensions)
    if len(content) < header:
        raise ConfigError(f"{file} has {len(content)} bytes, too few for the header of an IDX file; fetch it again")
    magic, *shape = struct.unpack(f">{1 + dimensions}I", content[:header])
    if magic != _MAGIC[dimensions]:
        what = "labels" if dimensions == 1 else "images"
        raise ConfigError(
            f"{file} starts with {magic:#010x}, expected {_MAGIC[dimensions]:#010x} for an IDX file of {what}; "
            "is it the right file, and compressed only where its name ends in .gz?"
        )
    # Python's integers: the header of a broken file may state any size
    stated = 1
    for size in shape:
        stated *= size
    if stated == 0 or len(content) - header != stated:
        raise ConfigError(
            f"{file} states {' x '.join(map(str, shape))} bytes and holds {len(content) - header}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _find(folder: Path, name: str, dimensions: int) -> Path:
    """The file of images or labels, under any of the names that are in use."""
    if not folder.is_dir():
        raise ConfigError(f"stimuli.mnist_folder '{folder}' is no folder; give the one that holds the MNIST files")
    names = [f"{name}-idx{dimensions}-ubyte", f"{name}.idx{dimensions}-ubyte"]
    for candidate in names:
        for suffix in ("", ".gz"):
            if (folder / (candidate + suffix)).is_file():
                return folder / (candidate + suffix)
    raise ConfigError(f"no {names[0]} or {names[0]}.gz in {folder}; MNIST consists of four such files")


def _read(file: Path, dimensions: int) -> np.ndarray:
    """One file, read again only where it has changed."""
    return _read_once(str(file.resolve()), file.stat().st_mtime_ns, dimensions)


@lru_cache(maxsize=4)
def _read_once(file: str, _changed: int, dimensions: int) -> np.ndarray:
    """One file in one state."""
    return read_idx(Path(file), dimensions)
