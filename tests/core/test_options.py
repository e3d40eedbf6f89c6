"""Signatures and help show every option, and a misspelt name raises an error that suggests the right one."""

import inspect
from typing import TypedDict, Unpack

import pytest

from napari_superres.core.options import checks_names, takes_options
from napari_superres.errors import SettingsError


class Options(TypedDict, total=False):
    """Options of a sum.

    Attributes
    ----------
    weight : float
        Factor of the second number; 1 by default.
    label : str
        Name of the sum.
    """

    weight: float
    label: str


@takes_options(Options, {"weight": 1.0, "label": "sum"})
def add(first: float, second: float = 0.0, **options: Unpack[Options]) -> float:
    """Add two numbers.

    Parameters
    ----------
    first, second
        The numbers.
    **options
        Options of the sum.

    Returns
    -------
    float
        Their sum.
    """
    return first + options.get("weight", 1.0) * second


def test_the_function_gets_what_it_was_called_with():
    assert add(1, 2, weight=3.0) == 7


def test_every_option_is_in_the_signature_with_its_type_and_default():
    weight = inspect.signature(add).parameters["weight"]
    assert (weight.default, weight.annotation, weight.kind) == (1.0, float, inspect.Parameter.KEYWORD_ONLY)
    assert "options" not in inspect.signature(add).parameters


def test_every_option_is_described_where_the_others_are():
    parameters, _, returned = add.__doc__.partition("Returns\n-------")
    assert "weight : float\n    Factor of the second number" in parameters
    assert "**options" not in add.__doc__
    assert "Their sum" in returned


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("weigth", "unknown option 'weigth'. Did you mean 'weight'?"),
        ("qqq", "unknown option 'qqq'. Valid options: first,"),
    ],
)
def test_a_wrong_name_suggests_the_right_one(wrong, message):
    with pytest.raises(SettingsError) as error:
        add(1, 2, **{wrong: 3})
    assert str(error.value).startswith(message)


def test_functions_with_plain_keywords_suggest_too():
    @checks_names
    def double(value, *, rounded=False):
        return round(2 * value) if rounded else 2 * value

    assert double(1.2, rounded=True) == 2
    with pytest.raises(SettingsError, match="Did you mean 'rounded'"):
        double(1.2, round=True)
