"""Docstrings state the default values that the signatures have."""

import ast
import inspect
import re

import pytest
import torch

import sotlib

CALLABLE = [name for name in sotlib.__all__ if callable(getattr(sotlib, name))]


def stated(docstring):
    """Names and default values as the section of the parameters gives them."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S+\n-+\n|\Z)", docstring, re.M | re.S)
    for line in section.group(1).splitlines() if section else ():
        head = re.fullmatch(r"([\w, ]+) : (.+)", line)
        if not head:
            continue
        names = head.group(1).split(", ")
        if head.group(2).endswith("optional"):
            yield from ((name, None) for name in names)
        elif " default " in f" {head.group(2)}":
            text = re.split(r"\bdefault ", head.group(2))[-1].replace(" and ", ", ")
            text = re.sub(r"\bfloat(32|64)\b", r"'float\1'", text)
            values = ast.literal_eval(f"[{text}]")
            values = values * len(names) if len(values) == 1 else values
            yield from zip(names, values, strict=True)


@pytest.mark.parametrize("name", CALLABLE)
def test_defaults_are_those_of_the_signature(name):
    public = getattr(sotlib, name)
    for parameter, value in stated(inspect.getdoc(public) or ""):
        default = inspect.signature(public).parameters[parameter].default
        default = str(default).removeprefix("torch.") if default is torch.float32 else default
        assert default == value, f"{parameter} is {default!r} and said to be {value!r}"


def test_most_defaults_are_stated():
    """Else the test above would pass by reading nothing."""
    assert sum(len(list(stated(inspect.getdoc(getattr(sotlib, name)) or "")))
               for name in CALLABLE) > 120  # fmt: skip


def defaults(function):
    parameters = inspect.signature(function).parameters.items()
    return {name: p.default for name, p in parameters if p.default is not p.empty}


@pytest.mark.parametrize(
    ("name", "other", "differ"),
    [
        ("sinkhorn_divergence", "sinkhorn_grid", set()),
        ("exact_grid_transport", "sinkhorn_grid", set()),
        ("sliced_wasserstein", "sinkhorn_grid", set()),
        ("SinkhornSpectrogramLoss", "sinkhorn_divergence", {"time_scale"}),
        ("SlicedSpectrogramLoss", "sliced_wasserstein", {"time_scale"}),
        ("pnp_loss", "PNPLoss", set()),
        ("jtfs_distance", "JTFSLoss", set()),
    ],
)
def test_what_is_said_to_be_as_elsewhere_is(name, other, differ):
    """Docstrings refer to another's parameters, and mean its defaults too."""
    ours, theirs = (defaults(getattr(sotlib, public)) for public in (name, other))
    assert {key for key in ours if key in theirs and ours[key] != theirs[key]} == differ
