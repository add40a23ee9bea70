"""The command line as strings."""

import pytest

from terratorch.cli.terminal.arguments import option_value, option_values, split_arguments
from terratorch.errors import ConfigurationError


def test_a_configuration_before_the_command_moves_behind_it():
    split = split_arguments(["-c", "a.yaml", "--config=b.yaml", "--debug", "fit", "-c", "c.yaml"])
    assert split.command == "fit"
    assert split.arguments == ["-c", "a.yaml", "--config=b.yaml", "-c", "c.yaml"]


def test_help_before_the_command_is_help_of_the_command():
    assert split_arguments(["--help", "fit"]).arguments == ["--help"]


@pytest.mark.parametrize("argv", [[], ["--help"], ["--version"], ["--debug"]])
def test_there_may_be_no_command(argv):
    assert split_arguments(argv).command is None


def test_values_of_an_option_in_order():
    arguments = ["-c", "a.yaml", "--x", "1", "--config=b.yaml", "--config", "c.yaml"]
    assert option_values(arguments, "-c", "--config") == ["a.yaml", "b.yaml", "c.yaml"]
    assert option_value(arguments, "--x") == "1"
    assert option_value(arguments, "--y") is None


def test_an_option_without_value_is_named():
    with pytest.raises(ConfigurationError, match=r"option -c: has no value\. Write: -c VALUE"):
        option_values(["-c"], "-c", "--config")
