"""Messages name settings and functions as Python does; the command line prints them as flags and commands."""

import inspect
import re
import warnings

import pytest
import typer
from helpers.tables.imports import FILES, relative, strings

import napari_superres
from napari_superres import evaluation, inference, io, models, training
from napari_superres.cli import terminal
from napari_superres.cli.app import app
from napari_superres.cli.wording import COMMANDS, as_flags, failure_lines
from napari_superres.errors import OutputExistsError, SuperResWarning

PUBLIC = {
    name: getattr(module, name)
    for module in (napari_superres, io, models, inference, evaluation, training)
    for name in module.__all__
    if inspect.isfunction(getattr(module, name))
}
WORDS = {
    # Arguments by position, and images that Python holds in memory.
    *(
        "image",
        "images",
        "words",
        "path",
        "name",
        "source",
        "sources",
        "target",
        "folder",
        "result",
        "reference",
        "first",
        "second",
    ),
    *("sr_dir", "ref_dir"),
    # Inputs of a batch: on the command line they are given by their paths.
    "only",
    # The command line reads the record of the result that it is given.
    *("rows", "answers"),
    # A package of a model is described from its card.
    "description",
    # Python reports progress to functions, stops at any step, and chooses where a result is computed.
    *("progress", "finished", "stop", "enough", "out", "focus"),
    # The command line computes all channels, and chooses the batch by speed.
    *("channel", "batch"),
}
"""Settings of public functions with a command that are no option of it."""

OF_OTHER_PROGRAMS = {"None", "training_step"}
"""Names in a message of Lightning that is recognised by its text."""


def _commands(command=None, path=""):
    """Yield each command of the program by its name, such as ``models add``."""
    command = typer.main.get_command(app) if command is None else command
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}".strip())


FLAGS = {flag for _, command in _commands() for p in command.params for flag in (*p.opts, *p.secondary_opts)}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_setting_of_a_public_function_is_a_flag_or_a_known_word(name):
    parameters = inspect.signature(PUBLIC[name]).parameters
    for setting in (p.name for p in parameters.values() if p.kind is not p.VAR_KEYWORD):
        printed = as_flags(f"Set `{setting}`.")
        if flag := re.fullmatch(r"Set (--[a-z-]+)\.", printed):
            assert flag[1] in FLAGS
            assert setting not in WORDS
        else:
            assert printed == f"Set {setting}."
            assert setting in WORDS or name not in COMMANDS, f"{setting} of {name} is no option, and no known word"


def test_settings_and_functions_in_messages_exist():
    """Backticks in a message are a promise that a flag, a keyword or a control has this name."""
    functions = [*PUBLIC.values(), napari_superres.Image, napari_superres.Image.from_array]
    settings = {name for function in functions for name in inspect.signature(function).parameters}
    unknown = []
    for path in (p for p in FILES if not relative(p).startswith("cli/")):
        for line, text in strings(path):
            for name, call in re.findall(r"`([A-Za-z_]+)(?:(\(\))|=[^`]*)?`", text):
                known = name in (PUBLIC if call else settings) or (not call and as_flags(f"`{name}`") != name)
                if not known and name not in OF_OTHER_PROGRAMS:
                    unknown.append(f"{relative(path)}:{line} names `{name}{call}`")
    assert unknown == []


def test_every_function_with_a_command_exists_and_so_does_its_command():
    commands = dict(_commands())
    for function, command in COMMANDS.items():
        assert command in commands
        assert as_flags(f"See `{function}()`.") == f"See `superres {command}`."
    assert set(COMMANDS) & set(PUBLIC) >= {"upscale", "upscale_file", "evaluate", "train", "degrade", "verify_models"}


def test_every_command_is_named_by_some_function():
    leaves = {path for path, command in _commands() if path and not hasattr(command, "commands")}
    assert leaves - set(COMMANDS.values()) == {"demo"}


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Set `overwrite` or choose another name.", "Set --overwrite or choose another name."),
        ("Set `overwrite=True`.", "Set --overwrite."),
        ("Use `max_passes=16`.", "Use --max-passes 16."),
        ("Use `precision='fp32'`.", "Use --precision fp32."),
        ("Use `tile=(16, 128, 128)`.", "Use --tile 16,128,128."),
        ("Use `roi`.", "Use --roi."),
        ("Choose another `suffix`.", "Choose another --format."),
        ("Use `suffix='.nii.gz'`.", "Use --format .nii.gz."),
        ("Give `models`.", "Give --model."),
        ("Use `baselines=()`.", "Use --baseline none."),
        ("Use `register=True`.", "Use --register."),
        ("Use `register='affine'`.", "Use --register --transform affine."),
        ("Use `tta=False`.", "Use no --tta."),
        ("See `verify_models()`.", "See `superres models verify`."),
        ("Call `Image.from_array()`.", "Call `Image.from_array()`."),
        ("Call `read_image()`.", "Call read_image()."),
        ("The `batch` is too large.", "The batch is too large."),
        ("Use `batch=2`.", "Use batch 2."),
        ("Run `pip install 'napari-superres-torch[train]'`.", "Run `pip install 'napari-superres-torch[train]'`."),
        ("A file `a-b.tif` is no setting.", "A file `a-b.tif` is no setting."),
    ],
)
def test_wording(text, printed):
    assert as_flags(text) == printed


def test_errors_warnings_and_results_are_printed_as_flags(superres, monkeypatch, tmp_path):
    def noted(path, **_):
        warnings.warn("a note: use `roi`.", SuperResWarning, stacklevel=1)
        if path == tmp_path:
            raise OutputExistsError("a.tif exists.", remedy="Set `overwrite` or see `verify_models()`.")
        return [{"advice": "set `resume`", "pixel_size": 1.0}]

    monkeypatch.setattr("napari_superres.io.describe", noted)
    done = superres("info", tmp_path)
    assert done.err.splitlines() == [
        "warning: a note: use --roi.",
        "error: a.tif exists. Set --overwrite or see `superres models verify`.",
    ]
    assert "set --resume" in superres("info", tmp_path / "a").out
    assert "set `resume`" in superres("info", tmp_path / "a", "--json").out, "JSON is for programs"


def test_the_filters_of_warnings_are_restored():
    before = list(warnings.filters), warnings.showwarning
    with terminal.python_messages():
        pass
    assert (list(warnings.filters), warnings.showwarning) == before


def test_a_value_with_spaces_is_quoted():
    assert as_flags("Use `model='auto:electron microscopy'`.") == "Use --model 'auto:electron microscopy'."


def test_failures_of_one_cause_are_one_line_whatever_is_to_be_done():
    failures = [(f"{i}.tif", "no model", f"no model. Use {'ab'[i % 2]}.") for i in range(5)]
    failures += [("x.tif", "broken", "broken")]
    assert failure_lines(failures) == [
        "failed: 0.tif, 1.tif, 2.tif and 2 others: no model. Use a.",
        "failed: x.tif: broken",
    ]
    other = [(str(i), str(i), str(i)) for i in range(7)]
    assert len(failure_lines(other[:6])) == 6, "one more line takes no more room than saying so"
    assert failure_lines(other)[-1] == "... and 2 other causes, printed above"
