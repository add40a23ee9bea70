"""The registry: names, sources, and messages for names that are not registered."""

import pickle

import pytest

from terratorch.errors import ExistingNameError, UnknownNameError
from terratorch.registry import MultiSourceRegistry, Registry
from terratorch.utils import InvalidModelError


def make_part(size: int = 1) -> tuple[str, int]:
    """Build a part."""
    return "part", size


class BrokenPart:
    def __init__(self) -> None:
        {}["a key that is missing inside the constructor"]


@pytest.fixture
def registry() -> Registry:
    registry = Registry("part", listing="terratorch list parts")
    registry.register(make_part)
    return registry


@pytest.fixture
def sources(registry: Registry) -> MultiSourceRegistry:
    both = MultiSourceRegistry("part")
    both.register_source("own", registry)
    other = Registry("part")
    other.register(make_part)
    other.register(BrokenPart)
    both.register_source("other", other)
    return both


def test_decorator_registers_under_the_name_and_returns_the_function(registry):
    @registry.register
    def another_part() -> str:
        return "another"

    assert another_part() == "another"
    assert registry.build("another_part") == "another"
    assert registry["another_part"] is another_part
    assert list(registry) == ["another_part", "make_part"]
    assert len(registry) == 2
    assert "make_part" in registry
    assert "nothing" not in registry


def test_arguments_reach_the_constructor(registry):
    assert registry.build("make_part", size=3) == ("part", 3)
    assert registry.build("make_part", 4) == ("part", 4)


def test_unknown_name_is_a_key_error_that_names_the_closest(registry):
    with pytest.raises(UnknownNameError) as caught:
        registry.build("make_prat")
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, InvalidModelError)
    message = str(caught.value)
    assert "part 'make_prat'" in message
    assert "Did you mean 'make_part'?" in message
    assert "terratorch list parts" in message


@pytest.mark.parametrize("thing", [3, "text", None.__class__()])
def test_only_callables_are_registered(registry, thing):
    if thing is None:
        assert callable(
            registry.register(thing)
        )  # the form with arguments: @register(overwrite=True)
        return
    with pytest.raises(TypeError, match="Only functions and classes"):
        registry.register(thing)


def test_another_definition_of_a_name_says_where_the_first_is(registry):
    def make_part() -> None: ...

    with pytest.raises(ExistingNameError, match=r"registered already, at .*test_registry\.py:\d+"):
        registry.register(make_part)
    registry.register(overwrite=True)(make_part)
    assert registry["make_part"] is make_part


def test_the_same_definition_again_replaces_it(registry):
    namespace = {"__name__": "a_notebook"}
    source = "def cell(): return {}"
    exec(source.format(1), namespace)
    registry.register(namespace["cell"])
    exec(source.format(2), namespace)
    registry.register(namespace["cell"])
    assert registry.build("cell") == 2


def test_rows_are_imported_at_first_use():
    registry = Registry("number", {"Fraction": "fractions:Fraction"})
    assert "Fraction" in registry
    assert len(registry) == 1
    assert registry.build("Fraction", 1, 2) * 2 == 1


def test_a_row_cannot_be_taken_by_another_definition():
    registry = Registry("number", {"make_part": "fractions:Fraction"})
    with pytest.raises(ExistingNameError, match="fractions:Fraction"):
        registry.register(make_part)


def test_the_definition_of_a_name(registry):
    place = registry.definition("make_part")
    assert place.module == __name__
    assert place.file == __file__
    assert place.docstring == "Build a part."
    assert str(place) == f"{__file__}:{place.line}"


def test_plugins_are_asked_once_before_the_first_look_up():
    calls = []
    registry = Registry("part", prepare=lambda: calls.append(registry.register(make_part)))
    assert "make_part" in registry
    assert len(registry) == 1
    assert len(calls) == 1


def test_a_prefix_selects_its_source(sources):
    assert sources.build("own_make_part") == ("part", 1)
    assert "other_make_part" in sources
    assert "own_BrokenPart" not in sources
    assert list(sources) == ["own_make_part", "other_BrokenPart", "other_make_part"]
    assert len(sources) == 3
    assert list(sources.keys()) == ["own", "other"]
    assert sources["own"] is sources._sources["own"]


def test_without_a_prefix_the_first_source_wins(sources):
    assert sources.source_of("make_part") == ("own", "make_part")
    assert sources.source_of("BrokenPart") == ("other", "BrokenPart")
    assert sources.definition("own_make_part").docstring == "Build a part."


@pytest.mark.parametrize(
    ("name", "asked", "near"),
    [("make_prat", "own, other", "make_part"), ("own_make_prat", "own", "own_make_part")],
)
def test_a_name_that_no_source_has_could_not_be_instantiated(sources, name, asked, near):
    with pytest.raises(InvalidModelError, match="could not be instantiated") as caught:
        sources.build(name)
    assert name in str(caught.value)
    assert f"searched: {asked})" in str(caught.value)
    assert f"Did you mean '{near}'?" in str(caught.value)


def test_an_error_inside_a_constructor_surfaces_unchanged(sources):
    with pytest.raises(KeyError, match="inside the constructor") as caught:
        sources.build("BrokenPart")
    assert not isinstance(caught.value, InvalidModelError)


def test_a_prefix_is_taken_once(sources):
    with pytest.raises(KeyError, match=r"Source for prefix own already exists\."):
        sources.register_source("own", Registry())


def test_any_object_with_the_four_methods_is_a_source(sources):
    class Numbers:
        def build(self, name, *args, **kwargs):
            return int(name)

        def __contains__(self, name):
            return name.isdigit()

        def __iter__(self):
            return iter(["1", "2"])

        def __len__(self):
            return 2

    sources.register_source("number", Numbers())
    assert sources.build("7") == 7
    assert sources.build("number_8") == 8
    assert len(sources) == 5
    assert sources.definition("number_8").module == Numbers.__module__


def test_an_unknown_name_survives_the_border_of_a_process(sources):
    with pytest.raises(UnknownNameError) as caught:
        sources.build("make_prat")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is UnknownNameError
    assert str(again) == str(caught.value)
