"""Fonts embedded in PDF files, without what no reader of a PDF uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fontTools import subset

#: tables of typesetting: a PDF places every glyph itself, and cutting these takes most of the time of writing one
_TYPESETTING = ("GDEF", "GPOS", "GSUB", "MATH", "kern")


@contextmanager
def small_fonts() -> Iterator[None]:
    """
    Leave the tables of typesetting out of the fonts that are embedded inside the ``with`` block.

    matplotlib has no setting for the tables that fontTools keeps; their defaults are those of fontTools' options, which
    are as before after the block. Where fontTools names them otherwise nothing changes but the time.

    Yields
    ------
    None
    """
    options: Any = subset.Options
    before = getattr(options, "_drop_tables_default", None)
    if before is None:
        yield
        return
    options._drop_tables_default = [*before, *_TYPESETTING]
    try:
        yield
    finally:
        options._drop_tables_default = before
