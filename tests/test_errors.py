"""Messages: the thing, what was seen, the cure."""

import pickle

import pytest

from terratorch import errors
from terratorch.errors import ConfigurationError, TerraTorchError, closest, did_you_mean
from terratorch.optional import import_optional

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TerraTorchError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_names_the_thing_what_was_seen_and_the_cure(kind):
    error = kind("data.means", "has 3 values for 6 bands", "Give one a band.")
    assert str(error) == "data.means: has 3 values for 6 bands. Give one a band."
    assert str(kind("A finished message.")) == "A finished message."


@pytest.mark.parametrize("kind", KINDS)
def test_errors_cross_the_border_of_a_process(kind):
    error = kind("scene.tif", "is truncated", "Copy it again.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)


def test_errors_are_standard_errors_too():
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(errors.MissingFileError, FileNotFoundError)
    assert issubclass(errors.UnknownNameError, KeyError)
    assert issubclass(errors.MissingDependencyError, ImportError)


def test_the_closest_names_come_first():
    assert closest("unetdecoder", ["UNetDecoder", "FCNDecoder"]) == ["UNetDecoder", "FCNDecoder"]
    assert did_you_mean("FCNDecodr", ["FCNDecoder"]) == "Did you mean 'FCNDecoder'?"
    assert did_you_mean("FCN", ["UNetDecoder"]) == ""


def test_a_missing_optional_package_names_the_command_that_installs_it():
    with pytest.raises(errors.MissingDependencyError) as caught:
        import_optional("a_package_that_nobody_has.sub", "vector", "read polygons")
    assert 'pip install "terratorch[vector]"' in str(caught.value)
    assert "needed to read polygons" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_data_loader_workers_keep_their_kind_and_message(kind):
    from torch._utils import ExceptionWrapper

    try:
        raise kind("scene.tif", "is truncated", "Copy it again.")
    except kind:
        wrapped = ExceptionWrapper(where="in a worker")
    with pytest.raises(kind, match=r"scene\.tif: is truncated"):
        wrapped.reraise()
