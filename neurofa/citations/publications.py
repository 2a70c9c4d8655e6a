"""The table of publications, and how they are named in texts: by DOI or arXiv number."""

import re
from functools import cache
from pathlib import Path

from neurofa import __version__

_TABLE = Path(__file__).resolve().with_name("publications.bib")
_IDENTIFIER = re.compile(r"10\.\d{4,9}/[^\s\"'`,;<>{}\[\]]+|\barxiv[ :.]*(\d{4}\.\d{4,5})", re.IGNORECASE)
_ENTRY = re.compile(r"^@\w+\{(?P<key>[^,]+),\n.*?^\}$", re.MULTILINE | re.DOTALL)
_DOI = re.compile(r"^  doi = \{(?P<doi>.*)\}", re.MULTILINE)


def identifiers(text: str) -> list[str]:
    """
    DOIs and arXiv numbers that a text names.

    Parameters
    ----------
    text : str
        For example a docstring.

    Returns
    -------
    list of str
        DOIs in lower case, in the order of the text, each once; arXiv numbers as the DOIs that arXiv gives them.

    Examples
    --------
    >>> identifiers("Nokland 2016 (arXiv 1609.01596); see https://doi.org/10.1038/nn.3329.")
    ['10.48550/arxiv.1609.01596', '10.1038/nn.3329']
    """
    found = []
    for match in _IDENTIFIER.finditer(text):
        doi = f"10.48550/arXiv.{match[1]}" if match[1] else match[0].rstrip(".:")
        # a bracket around the DOI is not part of it, one inside is
        while doi.endswith(")") and doi.count(")") > doi.count("("):
            doi = doi[:-1].rstrip(".:")
        found.append(doi.lower())
    return list(dict.fromkeys(found))


@cache
def publications() -> dict[str, str]:
    """
    Entries of the table that ships.

    Returns
    -------
    dict of str to str
        DOI in lower case to BibTeX entry.
    """
    entries = (match[0] for match in _ENTRY.finditer(_TABLE.read_text(encoding="utf-8")))
    return {_DOI.findall(entry)[-1].lower(): entry for entry in entries}


def entry_of(doi: str) -> str:
    """
    BibTeX entry of a publication.

    Parameters
    ----------
    doi : str
        In lower case, as `identifiers` gives it.

    Returns
    -------
    str
        Of the table; for a publication that it does not hold an entry with the DOI alone.
    """
    known = publications().get(doi)
    if known is not None:
        return known
    key = re.sub(r"[^a-z0-9]+", "_", doi)
    return f"@misc{{doi_{key},\n  doi = {{{doi}}},\n  url = {{https://doi.org/{doi}}}\n}}"


def own_entry() -> str:
    """
    BibTeX entry of this software.

    Returns
    -------
    str
        With the version that is installed.
    """
    fields = {
        "author": "{The neurofa developers}",
        "title": "neurofa",
        "year": "2026",
        "howpublished": "Software",
        "note": f"Version {__version__}",
    }
    return "@misc{neurofa,\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items()) + "\n}"
