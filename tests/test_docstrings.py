"""Signatures and docstrings say the same: names, defaults, choices; every type is written out."""

import ast
import inspect
import itertools
import re
import types
from typing import Literal, Union, get_args, get_origin

import pytest
import torch

import sotlib

ENTRY = re.compile(r"([\w*]+(?:, [\w*]+)*)(?: : (.*))?")
SIMPLE = {"int", "float", "bool", "str", "callable"}


def members(thing):
    """What a class and its bases define that have no public name themselves."""
    bases = [base for base in thing.__mro__ if base.__module__.startswith("sotlib.")]
    public = [base for base in bases if base is thing or base.__name__ not in sotlib.__all__]
    return {key: member for base in reversed(public) for key, member in vars(base).items()}


def public_callables():
    """Functions, classes and their public methods, by the name under which one finds them."""
    for name in sotlib.__all__:
        thing = getattr(sotlib, name)
        yield name, thing
        for key, member in members(thing).items() if inspect.isclass(thing) else ():
            member = getattr(member, "__func__", member)
            if inspect.isfunction(member) and not key.startswith("_"):
                yield f"{name}.{key}", member


CALLABLES = dict(public_callables())
every_callable = pytest.mark.parametrize("thing", CALLABLES.values(), ids=CALLABLES)


def parameters(thing):
    """Those of the signature that a caller gives; none of what others make or raise."""
    made = hasattr(thing, "__dataclass_fields__") or hasattr(thing, "_fields")
    if made or (inspect.isclass(thing) and issubclass(thing, Exception)):
        return {}
    found = inspect.signature(thing).parameters
    return {name: p for name, p in found.items() if name not in ("self", "cls")}


def documented(thing):
    """Entries of the section Parameters: (names, what stands behind the colon or None)."""
    lines = (inspect.getdoc(thing) or "").splitlines()
    start = lines.index("Parameters") + 2 if "Parameters" in lines else len(lines)
    entries = []
    for line, following in itertools.pairwise([*lines[start:], ""]):
        if following and set(following) == {"-"}:
            break
        if line and not line.startswith(" "):
            match = ENTRY.fullmatch(line)
            assert match, f"not `name : type, default X`: {line!r}"
            entries.append((match[1].split(", "), match[2]))
    return entries


def alternatives(annotation):
    """Members of a union but None, or the annotation alone."""
    union = get_origin(annotation) in (Union, types.UnionType)
    members = get_args(annotation) if union else (annotation,)
    return [a for a in members if a is not type(None)]


def choices(annotation):
    """Values that a Literal allows, alone or in a union."""
    literals = [a for a in alternatives(annotation) if get_origin(a) is Literal]
    return {value for literal in literals for value in get_args(literal)}


def stated(text, number):
    """The defaults of so many parameters that a docstring gives; one may stand for all."""
    text = text.replace(" and ", ", ")
    try:
        values = list(ast.literal_eval(f"[{text}]"))
    except (ValueError, SyntaxError):
        values = [getattr(torch, text)]  # a dtype
    assert len(values) in (1, number), f"default {text} for {number} parameters"
    return values * number if len(values) == 1 else values


@every_callable
def test_parameters_are_those_of_the_signature(thing):
    entries = documented(thing)
    names = [name.lstrip("*") for names, _ in entries for name in names]
    if entries or inspect.isclass(thing) or thing.__name__ in sotlib.__all__:
        assert names == list(parameters(thing))


@every_callable
def test_defaults_are_those_of_the_signature(thing):
    for names, kind in documented(thing):
        if kind is None:  # as for another function
            continue
        of = [parameters(thing)[name.lstrip("*")] for name in names]
        default = re.search(r"(?:^|, )default (.*)", kind)
        if default:
            assert [p.default for p in of] == stated(default[1], len(of)), names
            continue
        expected = None if kind.endswith(", optional") else inspect.Parameter.empty
        assert {p.default for p in of} == {expected}, f"{names} : {kind}"


@every_callable
def test_kinds_and_choices_are_those_of_the_annotation(thing):
    for names, kind in documented(thing):
        if kind is None:
            continue
        kind = re.split(", (?:default|optional|shape)", kind)[0]
        listed = re.search(r"\{.*?\}", kind)
        for name in names:
            annotation = parameters(thing)[name].annotation
            assert choices(annotation) == (ast.literal_eval(listed[0]) if listed else set()), name
            if kind in SIMPLE:
                (one,) = alternatives(annotation)
                assert getattr(one, "__name__", str(one)).lower() == kind, name


@every_callable
def test_every_type_is_written_out(thing):
    for name, parameter in parameters(thing).items():
        assert parameter.annotation is not parameter.empty, name
    if inspect.isfunction(thing):
        assert inspect.signature(thing).return_annotation is not inspect.Parameter.empty


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
