"""Authors, citations and licence of a model, as a bioimage.io description holds them."""

import re
from collections.abc import Sequence

from napari_superres.errors import SettingsError

_WORK = re.compile(  # Text, then a DOI or an address.
    r"(.*?)(?:(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(10\.\d{4,9}/\S*[^\s.,;])|(https?://\S*[^\s.,;]))", re.I | re.S
)


def parse_authors(texts: Sequence[str]) -> list[dict[str, str]]:
    """Return the authors in texts such as ``"Name"`` or ``"Name; Institute"``.

    Raises
    ------
    SettingsError
        If there is no author, or a name has a slash.
    """
    if not texts:
        raise SettingsError(
            "a bioimage.io package needs at least one author.", remedy="Name one in `author`, such as 'Ada Lovelace'."
        )
    authors = []
    for text in texts:
        name, _, affiliation = (part.strip() for part in text.partition(";"))
        if not name or "/" in name or "\\" in name:
            raise SettingsError(f"an author is 'Name' or 'Name; Institute', without slashes in the name, got {text!r}.")
        authors.append({"name": name, "affiliation": affiliation} if affiliation else {"name": name})
    return authors


def parse_citations(texts: Sequence[str]) -> list[dict[str, str]]:
    """Return the works that texts cite, each with its DOI or address.

    Raises
    ------
    SettingsError
        If a text has neither.
    """
    citations = []
    for text in texts:
        works = _WORK.findall(text)
        if not works:
            raise SettingsError(
                f"a bioimage.io package needs citations with a DOI or an address, got {text[:200]!r}.",
                remedy="Give one in `cite`, such as 'Authors: Title. Journal, year. doi:10.1234/5678'.",
            )
        for words, doi, url in works:
            citations.append({"text": words.strip(" .,;") or doi or url, **({"doi": doi} if doi else {"url": url})})
    return citations


def parse_license(text: str) -> str:
    """Return a licence's SPDX identifier.

    Raises
    ------
    SettingsError
        If the text is no such identifier.
    """
    from bioimageio.spec.generic.v0_3 import LicenseId

    try:
        return str(LicenseId(text))
    except ValueError as error:
        raise SettingsError(
            "a bioimage.io package needs a licence with a current SPDX identifier (https://spdx.org/licenses), such as "
            f"BSD-3-Clause or CC-BY-4.0; the model's card says {text[:100]!r}.",
            remedy="Set `license` when you train the model.",
        ) from error
