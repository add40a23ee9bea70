"""The command itself: help, version, exit codes."""

import subprocess
import sys

import pytest

import terratorch
from terratorch.cli.main import COMMANDS, main


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


def test_no_arguments_show_the_help(capsys):
    assert main([]) == 0
    assert "usage: terratorch" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"terratorch {terratorch.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["fti"], "sub-command 'fti': is not one of fit, validate"),
        (["fti"], "Did you mean 'fit'?"),
        (["--foo"], "--foo: the sub-command is missing"),
        (["fit"], "terratorch fit: the configuration is missing. Give one: terratorch fit -c"),
        (["test"], "terratorch test: the configuration is missing"),
        (["predict"], "ckpt_path: is missing"),
        (["compute_statistics"], "terratorch compute_statistics: the configuration is missing"),
        (["list", "backbonez"], "terratorch list backbonez: must be one of backbones"),
        (["describe", "prithvi_eo_tinny"], "Did you mean 'prithvi_eo_tiny'"),
        (["--debgu"], "--debgu: the sub-command is missing. Did you mean '--debug'?"),
    ],
)
def test_a_mistake_is_one_message(argv, message, capsys):
    assert main(argv) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_every_command_has_help(command, capsys):
    assert main([command, "--help"]) == 0
    assert f"usage: terratorch {command}" in capsys.readouterr().out


def test_debug_shows_the_traceback(capsys):
    assert main(["--debug", "fti"]) == 2
    assert "Traceback" in capsys.readouterr().err


def _run(*code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *code], capture_output=True, text=True, check=False)


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from terratorch.cli.main import main; code = main(['--help'])\n"
        "heavy = {'torch', 'numpy', 'lightning', 'yaml', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy; raise SystemExit(code)"
    )
    run = _run("-c", code)
    assert run.returncode == 0, run.stderr


def test_listing_our_names_does_not_load_torch():
    code = (
        "import sys; from terratorch.cli.main import main; code = main(['list', 'backbones'])\n"
        "assert 'torch' not in sys.modules; raise SystemExit(code)"
    )
    run = _run("-c", code)
    assert run.returncode == 0, run.stderr
    assert "prithvi_eo_tiny" in run.stdout.splitlines()


def test_as_a_process_a_mistake_ends_with_code_2():
    run = _run("-m", "terratorch", "fit", "-c", "nowhere.yaml")
    assert run.returncode == 2
    assert run.stderr == "Error: configuration 'nowhere.yaml': does not exist\n"


def test_choices_of_the_factory_are_told_when_a_model_is_trained(fitted, tmp_path, capsys):
    given = str(fitted / "given.yaml")
    training = ["--trainer.fast_dev_run", "1", "--trainer.default_root_dir", str(tmp_path)]
    assert main(["fit", "-c", given, *training]) == 0
    said = capsys.readouterr().err
    assert said.count("No necks are given") == 1
    for noise in ("GPU available", "litlogger", "is not empty", "logging interval", "round-trip"):
        assert noise not in said
    checkpoint = str(fitted / "checkpoints" / "best.ckpt")
    assert main(["test", "-c", given, "--ckpt_path", checkpoint]) == 0
    assert "No necks are given" not in capsys.readouterr().err
