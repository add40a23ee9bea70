"""From an error to a message and an exit code."""

import errno
import signal
import textwrap

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from terratorch.cli.terminal.reporting import run_reported
from terratorch.errors import DataError, WeightsError


def _raising(error: BaseException):
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize("kind", [DataError, RuntimeError])
def test_an_error_of_a_loader_worker_is_its_message(kind, capsys):
    text = (
        "Caught DataError in DataLoader worker process 0.\nOriginal Traceback (most recent call "
        "last):\n  File x\nterratorch.errors.DataError: chip_1.tif: is truncated.\nCopy it again."
    )
    assert run_reported(_raising(kind(text))) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("Error: chip_1.tif: is truncated.\nCopy it again.\n")
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (WeightsError("a.ckpt", "is empty"), "Error: a.ckpt: is empty"),
        (MisconfigurationException("No such accelerator"), "Error: No such accelerator"),
        (MemoryError("no room"), "Lower data.init_args.batch_size"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "CUDA out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "Out of memory"),
        (OSError(errno.ENOSPC, "No space left", "a.tif"), "a.tif: No space left. The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "d"), "d: Permission denied."),
        (
            RuntimeError("Error(s) in loading state_dict for X:\n\tMissing key(s): a"),
            "The checkpoint does not fit the model.\n\tMissing key(s): a",
        ),
        (RuntimeError("[enforce fail] PytorchStreamWriter failed"), "The disk is full: make room"),
        (KeyError("checkpoint contains only the model"), "the checkpoint holds weights only"),
    ],
)
def test_what_a_user_can_mend_is_a_message(error, message, capsys):
    assert run_reported(_raising(error)) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_a_bug_keeps_its_traceback(capsys):
    namespace: dict = {}
    # As installed code would raise it: no frame of the user's.
    exec(compile("def command():\n    raise KeyError('x')", torch.__file__, "exec"), namespace)
    import terratorch.cli.terminal.user_code as user_code

    foreign = (*user_code._foreign_roots(), __file__)
    user_code._foreign_roots.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_code, "_foreign_roots", lambda: foreign)
        assert run_reported(namespace["command"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_error_in_the_users_code_shows_its_frames(tmp_path, capsys):
    file = tmp_path / "my_model.py"
    file.write_text(
        textwrap.dedent(
            """
            def build():
                return {}["layers"]
            """
        )
    )
    namespace: dict = {}
    exec(compile(file.read_text(), str(file), "exec"), namespace)
    assert run_reported(namespace["build"]) == 1
    shown = capsys.readouterr().err
    assert "Error in your own code" in shown
    assert f'File "{file}", line 3, in build' in shown
    assert "KeyError: 'layers'" in shown


def test_our_error_raised_from_the_users_code_says_so(tmp_path, capsys):
    file = tmp_path / "my_parts.py"
    file.write_text("from terratorch.registry import NECK_REGISTRY\n\nNECK_REGISTRY.build('foo')\n")
    code = compile(file.read_text(), str(file), "exec")
    assert run_reported(lambda: exec(code, {}) or 0) == 2
    shown = capsys.readouterr().err
    assert "Error: neck 'foo': could not be instantiated" in shown
    assert "It was raised from your own code:" in shown
    assert str(file) in shown


def test_a_long_message_fits_a_screen(capsys):
    assert run_reported(_raising(DataError("\n".join(map(str, range(100)))))) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) < 45
    assert lines[-1].startswith("... 60 more lines") or "60 more lines" in "\n".join(lines)


def test_ctrl_c_is_130_and_the_handler_stays(capsys):
    before = signal.getsignal(signal.SIGINT)

    def as_lightning_does() -> int:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            raise SystemExit(1)  # noqa: B904 - as Lightning does it

    assert run_reported(as_lightning_does) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert run_reported(_raising(KeyboardInterrupt())) == 130
    assert run_reported(_raising(SystemExit(2))) == 2
    assert run_reported(_raising(SystemExit())) == 0
