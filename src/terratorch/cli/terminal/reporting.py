"""Turn an exception into a message for the user, and into the exit code of the command.

A mistake that the user can fix is shown as one message without a traceback, with exit code 2. An
error in the user's own code is shown with the frames of that code. Any other error is a bug, and is
shown with its full traceback.
"""

from __future__ import annotations

import errno
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable

from terratorch.cli.terminal.user_code import is_users, user_frames
from terratorch.errors import TerraTorchError

EXIT_BUG, EXIT_MISTAKE, EXIT_INTERRUPTED = 1, 2, 130

_DEBUG_HINT = "(run again with --debug to see the traceback)"
_MEMORY_ADVICE = (
    "Lower data.init_args.batch_size, the size of the chips, or model.init_args."
    "tiled_inference_parameters (crop, batch_size); or set trainer.precision: 16-mixed, or "
    "trainer.accumulate_grad_batches with a smaller batch."
)
_MAX_LINES = 40


def run_reported(command: Callable[[], int], debug: bool = False) -> int:
    """Run a command, and report its error if it raises one.

    Args:
        command: What to run; it returns the exit code.
        debug: Show the full traceback of every error.
    """
    interrupt_handler = signal.getsignal(signal.SIGINT)
    try:
        return command()
    except SystemExit as error:
        return _exit_code(error)
    except KeyboardInterrupt:
        _write("Interrupted.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `terratorch list backbones | head`
        sys.stderr.close()
        return EXIT_BUG
    except BaseException as error:  # every error of the process is reported here
        return report(error, debug)
    finally:
        if threading.current_thread() is threading.main_thread():
            # Lightning ignores SIGINT after the first one.
            signal.signal(signal.SIGINT, interrupt_handler)


def _exit_code(error: SystemExit) -> int:
    # Lightning turns Ctrl-C into `sys.exit(1)`.
    if isinstance(error.__context__, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    _write(str(error.code))
    return EXIT_BUG


def report(error: BaseException, debug: bool = False) -> int:
    """Write an error to stderr as far as the user needs it, and return the exit code."""
    if debug:
        traceback.print_exception(error)
        return EXIT_BUG if explain(error) is None else EXIT_MISTAKE
    message = explain(error)
    frames = user_frames(error)
    if message is None and (frames or _is_users_syntax(error)):
        _write(f"Error in your own code {_DEBUG_HINT}:\n{frames}{_last_line(error)}")
        return EXIT_BUG
    if message is None:
        traceback.print_exception(error)
        return EXIT_BUG
    raised_from = f"\nIt was raised from your own code:\n{frames.rstrip()}" if frames else ""
    _write(f"Error: {_fit_screen(message)}{raised_from}")
    return EXIT_MISTAKE


def _is_users_syntax(error: BaseException) -> bool:
    """Return whether the user's code cannot be parsed; such an error has no frame of it."""
    return (
        isinstance(error, SyntaxError) and error.filename is not None and is_users(error.filename)
    )


def _write(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _last_line(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).rstrip()


def _fit_screen(message: str) -> str:
    lines = message.splitlines()
    if len(lines) <= _MAX_LINES:
        return message
    shown = "\n".join(lines[:_MAX_LINES])
    return f"{shown}\n... {len(lines) - _MAX_LINES} more lines {_DEBUG_HINT}"


def explain(error: BaseException) -> str | None:
    """Return the message for an error that the user can fix; None for any other."""
    for explanation in _EXPLANATIONS:
        message = explanation(error)
        if message:
            return message
    return None


_WORKER = re.compile(r"Caught \w+ in (DataLoader worker process|replica) \d+")
_OURS = re.compile(r"^terratorch\.errors\.\w+: ", re.MULTILINE)


def _explain_ours(error: BaseException) -> str | None:
    """Return the message of one of our errors, without the traceback of a worker process."""
    text = str(error)
    if _WORKER.match(text):
        *_, last = [0, *(match.end() for match in _OURS.finditer(text))]
        return text[last:] if last else None
    return text if isinstance(error, TerraTorchError) else None


def _explain_lightning(error: BaseException) -> str | None:
    module = sys.modules.get("lightning.pytorch.utilities.exceptions")
    if module is None or not isinstance(error, module.MisconfigurationException):
        return None
    return str(error)


def _explain_memory(error: BaseException) -> str | None:
    name, text = type(error).__name__, str(error)
    of_torch = name == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate memory" in text
    if not (isinstance(error, MemoryError) or of_torch):
        return None
    return f"Out of memory: {(text.splitlines() or ['the allocation failed'])[0]}\n{_MEMORY_ADVICE}"


def _explain_weights(error: BaseException) -> str | None:
    text = str(error)
    if isinstance(error, KeyError) and "checkpoint contains only the model" in text:
        return (
            "ckpt_path: the checkpoint holds weights only, so training cannot resume from it. "
            "Give a full one, such as last.ckpt in the same folder."
        )
    if not (isinstance(error, RuntimeError) and text.startswith("Error(s) in loading state_dict")):
        return None
    lines = [line if len(line) <= 300 else f"{line[:300]} ..." for line in text.splitlines()]
    advice = "The checkpoint is of another model: give the configuration that it was trained with."
    return "\n".join(["The checkpoint does not fit the model.", *lines[1:12], advice])


_OS_ADVICE = {
    errno.ENOSPC: "The disk is full: make room on the disk, or choose another folder.",
    errno.EFBIG: "The system limits file sizes: make room on the disk (see also `ulimit -f`), or "
    "choose another folder.",
    errno.EDQUOT: "The disk quota is used up: make room, or choose another folder.",
    errno.EACCES: "Permission is missing: change the permissions, or choose another folder.",
    errno.EROFS: "The file system is read-only: choose another folder.",
}


def _explain_system(error: BaseException) -> str | None:
    if isinstance(error, RuntimeError) and "PytorchStreamWriter failed" in str(error):
        return f"A checkpoint could not be written. {_OS_ADVICE[errno.ENOSPC]}"
    if not isinstance(error, OSError) or error.errno not in _OS_ADVICE:
        return None
    return f"{error.filename or 'The disk'}: {error.strerror}. {_OS_ADVICE[error.errno]}"


_EXPLANATIONS: tuple[Callable[[BaseException], str | None], ...] = (
    _explain_ours,
    _explain_lightning,
    _explain_memory,
    _explain_weights,
    _explain_system,
)
