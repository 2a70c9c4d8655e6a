"""A natural movie and gratings as a mouse's visual cortex sees them: through filters for orientation and size."""

from functools import cache
from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli

#: pixels of the photographs that make one of the movie, and pixels of the movie along each side
_BLOCK, _SIDE = 6, 48
#: a drifting grating is seen at so many phases
_PHASES = 8


def natural_movie_and_gratings(
    generator: np.random.Generator,
    *,
    frames: Annotated[int, Field(ge=2, description="frames of the movie, half of them of each photograph")] = 30,
    orientations: Annotated[int, Field(ge=2, description="orientations of the gratings, over 180 degrees")] = 12,
    cycles: Annotated[float, Field(gt=0, description="cycles of a grating over the field of view")] = 6.0,
    inputs: Annotated[int, Field(ge=2, description="input units, filters of the field of view")] = 150,
    target_width: Annotated[float, Field(gt=0, description="sd of the bump to report, frames or orientations")] = 1.0,
    tolerance: Annotated[int, Field(ge=0, description="a report so many frames or orientations off is correct")] = 1,
) -> Stimuli:
    """
    Frames of a movie and drifting gratings, seen by filters with the animal's own random places and orientations.

    The movie is a window that pans over the two photographs that come with scikit-learn, grey and coarse. An input unit
    is the energy of a pair of Gabor filters in quadrature; gratings are seen at all phases. All inputs of one stimulus
    are divided by their norm, as contrast normalisation does. The animal reports the frame or the orientation: mice
    that only look report nothing, so this stands for what else vision serves.

    Parameters
    ----------
    generator : numpy.random.Generator
        The animal's random numbers.
    frames, orientations : int
        Numbers of frames and of orientations.
    cycles : float
        Cycles of a grating over the field of view.
    inputs : int
        Input units.
    target_width : float
        Standard deviation of the bump to report; orientations are a circle.
    tolerance : int
        A report of the same kind of stimulus and at most so many frames or orientations off is correct.

    Returns
    -------
    Stimuli
        Inputs (frames + orientations, inputs) from 0 up, targets (stimulus, frames + orientations); labels
        stimulus_kind (movie or grating), frame (-1 of gratings) and orientation_deg (-1 of frames).

    Raises
    ------
    ConfigError
        Where gratings are too fine for the field of view.

    References
    ----------
    Modelled on Marks & Goard 2021, 10.1038/s41467-021-25436-3, and Deitch et al. 2021, 10.1016/j.cub.2021.07.062.
    """
    if cycles > _SIDE / 4:
        raise ConfigError(
            f"stimuli.cycles {cycles:g} is too fine for a field of view of {_SIDE} pixels; "
            f"choose it at most {_SIDE / 4:g}"
        )
    filters = _filters(generator, inputs)
    movie = _seen(_movie(frames)[None], filters)
    angle = np.pi * np.arange(orientations) / orientations
    gratings = _seen(_gratings(angle, cycles), filters)
    responses = np.concatenate([movie, gratings])
    order = (_distance(frames, circular=False), _distance(orientations, circular=True))
    target = [np.exp(-0.5 * (distance / target_width) ** 2) for distance in order]
    near = [distance <= tolerance for distance in order]
    return Stimuli(
        inputs=responses * np.sqrt(inputs) / np.linalg.norm(responses, axis=1, keepdims=True),
        targets=_beside(*target),
        acceptable=_beside(*near).astype(bool),
        labels={
            "stimulus_kind": np.repeat(["movie", "grating"], [frames, orientations]),
            "frame": np.concatenate([np.arange(frames), np.full(orientations, -1)]),
            "orientation_deg": np.concatenate([np.full(frames, -1.0), np.degrees(angle)]),
        },
    )


@cache
def _photographs() -> tuple[np.ndarray, ...]:
    """The photographs of scikit-learn, grey from 0 to 1 and coarse."""
    from sklearn.datasets import load_sample_images

    coarse = []
    for image in load_sample_images().images:
        grey = image.mean(2) / 255
        rows, columns = (size // _BLOCK for size in grey.shape)
        blocks = grey[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
        coarse.append(blocks.mean((1, 3)))
    return tuple(coarse)


def _movie(frames: int) -> np.ndarray:
    """Frames (frame, row, column): a window that pans over each photograph, right, down and up."""
    shown = []
    for photograph, numbers in zip(_photographs(), np.array_split(np.arange(frames), 2), strict=True):
        rows, columns = (size - _SIDE for size in photograph.shape)
        along = np.linspace(0, 1, len(numbers))
        across = (1 - np.cos(2 * np.pi * along)) / 2
        for row, column in zip(np.round(rows * across), np.round(columns * along), strict=True):
            shown.append(photograph[int(row) : int(row) + _SIDE, int(column) : int(column) + _SIDE])
    return np.stack(shown)


def _gratings(angle: np.ndarray, cycles: float) -> np.ndarray:
    """Gratings (phase, orientation, row, column)."""
    y, x = np.meshgrid(*[(np.arange(_SIDE) - (_SIDE - 1) / 2) / _SIDE] * 2, indexing="ij")
    across = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    phase = 2 * np.pi * np.arange(_PHASES).reshape(-1, 1, 1, 1) / _PHASES
    waves: np.ndarray = np.cos(2 * np.pi * cycles * across - phase)
    return waves


def _filters(generator: np.random.Generator, n_filters: int) -> np.ndarray:
    """Complex Gabor filters (filter, row, column) of mean 0 and norm 1."""
    y, x = np.meshgrid(*[np.arange(_SIDE) / _SIDE] * 2, indexing="ij")
    row, column, orientation = (generator.random((n_filters, 1, 1)) for _ in range(3))
    wavelength = 0.1 * 4 ** generator.random((n_filters, 1, 1))
    along = np.cos(np.pi * orientation) * (x - column) + np.sin(np.pi * orientation) * (y - row)
    envelope = np.exp(-0.5 * ((x - column) ** 2 + (y - row) ** 2) / (0.4 * wavelength) ** 2)
    gabor = envelope * np.exp(2j * np.pi * along / wavelength)
    gabor -= envelope * gabor.sum((1, 2), keepdims=True) / envelope.sum((1, 2), keepdims=True)
    filters: np.ndarray = gabor / np.linalg.norm(gabor, axis=(1, 2), keepdims=True)
    return filters


def _seen(pictures: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Energy (picture, filter) of pictures (phase, picture, row, column), mean over phases."""
    flat = pictures.reshape(*pictures.shape[:2], -1)
    energy: np.ndarray = np.abs(flat @ filters.reshape(len(filters), -1).T).mean(0)
    return energy


def _distance(number: int, *, circular: bool) -> np.ndarray:
    """Steps between every two of a row, or of a circle."""
    apart = np.abs(np.arange(number)[:, None] - np.arange(number))
    return np.minimum(apart, number - apart) if circular else apart


def _beside(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two square matrices as blocks on the diagonal of one."""
    whole = np.zeros((len(first) + len(second),) * 2)
    whole[: len(first), : len(first)], whole[len(first) :, len(first) :] = first, second
    return whole
