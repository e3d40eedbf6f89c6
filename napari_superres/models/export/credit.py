"""Who made a model, what to cite and its licence, as a bioimage.io description has them."""

import re
from collections.abc import Sequence

from napari_superres.errors import SettingsError

_WORK = re.compile(  # text, then a DOI or an address
    r"(.*?)(?:(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(10\.\d{4,9}/\S*[^\s.,;])|(https?://\S*[^\s.,;]))", re.I | re.S
)


def named(texts: Sequence[str]) -> list[dict[str, str]]:
    """Return authors given as ``Name`` or ``Name; Institute``; SettingsError if there are none."""
    if not texts:
        raise SettingsError("a bioimage.io package needs at least one author. Name one with --author 'Ada Lovelace'.")
    found = []
    for text in texts:
        name, _, affiliation = (part.strip() for part in text.partition(";"))
        if not name or "/" in name or "\\" in name:
            raise SettingsError(f"an author is 'Name' or 'Name; Institute', without slashes in the name, got {text!r}.")
        found.append({"name": name, "affiliation": affiliation} if affiliation else {"name": name})
    return found


def cited(texts: Sequence[str]) -> list[dict[str, str]]:
    """Return the works that texts cite, each with its DOI or address; SettingsError where one has neither."""
    found = []
    for text in texts:
        works = _WORK.findall(text)
        if not works:
            raise SettingsError(
                f"a bioimage.io package needs citations with a DOI or an address, got {text[:200]!r}. "
                "Give one with --cite 'Authors: Title. Journal, year. doi:10.1234/5678'."
            )
        for words, doi, url in works:
            found.append({"text": words.strip(" .,;") or doi or url, **({"doi": doi} if doi else {"url": url})})
    return found


def licensed(text: str) -> str:
    """Return a licence's SPDX identifier; SettingsError if it is none."""
    from bioimageio.spec.generic.v0_3 import LicenseId

    try:
        return str(LicenseId(text))
    except ValueError as error:
        raise SettingsError(
            "a bioimage.io package needs a licence with a current SPDX identifier (https://spdx.org/licenses), such as "
            f"BSD-3-Clause or CC-BY-4.0; the model's card says {text[:100]!r}. Train the model with --license."
        ) from error
