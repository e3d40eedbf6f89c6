"""The page on licences lists what the program needs and which of it is under the GPL; README and pyproject agree."""

import re
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)["project"]
PAGE = (ROOT / "docs" / "reference" / "licences.md").read_text(encoding="utf-8")
ROWS = {n: (extra, licence) for n, extra, licence in re.findall(r"^\| ([\w.-]+) \| `?(\w+)`? \| (.*) \|$", PAGE, re.M)}
ROWS.pop("package", None)
GNU = re.compile(r"\b[AL]?GPL|GNU (Lesser|Affero|General)", re.IGNORECASE)
EXTRAS = ("gui", "train", "zoo", "distributed", "remote", "formats")


def names(requirements):
    return [re.match(r"[\w.-]+", requirement)[0] for requirement in requirements]


def test_every_package_is_listed_with_its_extra():
    needed = dict.fromkeys(names(PROJECT["dependencies"]), "superres")
    for extra in EXTRAS:
        needed |= dict.fromkeys(names(PROJECT["optional-dependencies"][extra]), extra)
    assert {name: extra for name, (extra, _) in ROWS.items()} == needed


@pytest.mark.parametrize("package", ROWS)
def test_the_gpl_is_named_where_a_package_names_it(package):
    try:
        facts = metadata(package)
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    told = [facts.get("License-Expression") or "", *(facts.get_all("Classifier") or [])]
    told += (facts.get("License") or "").splitlines()[:1]
    is_gnu = any(GNU.search(text) for text in told)
    assert is_gnu == bool(GNU.search(ROWS[package][1].partition(";")[0])), told


def closure(requirement, found):
    """Add the installed packages that a requirement brings, with those that they bring, to `found`."""
    wanted = Requirement(requirement)
    if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *EXTRAS)):
        name = canonicalize_name(wanted.name)
        with suppress(PackageNotFoundError):
            if name not in found:
                found[name] = metadata(wanted.name)
                for inner in requires(wanted.name) or ():
                    if "extra ==" not in inner or any(extra in inner for extra in wanted.extras):
                        closure(inner.partition(";")[0] if "extra ==" in inner else inner, found)
    return found


def test_packages_that_others_bring_are_named_if_they_are_not_permissive():
    found = {}
    for requirement in (*PROJECT["dependencies"], *(r for e in EXTRAS for r in PROJECT["optional-dependencies"][e])):
        closure(requirement, found)
    assert len(found) > 100
    for name, facts in found.items():
        told = [facts.get("License-Expression") or "", (facts.get("License") or "").partition("\n")[0]]
        told += [c for c in facts.get_all("Classifier") or [] if c.startswith("License")]
        if any(re.search(r"GPL|GNU|MPL|Mozilla", text) for text in told):
            assert canonicalize_name(name) in canonicalize_name(PAGE), told


def test_extras_under_the_gpl_are_named_where_they_are_offered():
    under_gpl = {extra for extra, licence in ROWS.values() if GNU.search(licence)}
    assert under_gpl == {"gui", "formats"}
    for file in ("README.md", "docs/index.md", "docs/reference/licences.md"):
        sentences = [s for s in (ROOT / file).read_text(encoding="utf-8").split(".\n") if "GPL" in s]
        assert all(any(f"`{extra}`" in s for s in sentences) for extra in under_gpl), file
    for extra in under_gpl:
        assert re.search(rf"^#.*GPL.*\n{extra} = ", TEXT, re.MULTILINE), extra


def test_the_source_archive_holds_what_its_tests_and_makefile_need():
    targets = tomllib.loads(TEXT)["tool"]["hatch"]["build"]["targets"]
    included = targets["sdist"]["include"]
    assert {"docs", "Makefile", "constraints.txt", "tests", "sample_data", ".github", ".ci"} <= set(included)
    assert all((ROOT / name).exists() for name in [*included, *targets["wheel"]["packages"]])
