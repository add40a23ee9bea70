"""The folder that a command writes to."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from terratorch.errors import ConfigurationError


def check_output_dir(path: str, option: str = "predict_output_dir") -> None:
    """Raise an error for a folder that cannot be written to; a missing one is created later.

    Args:
        path: The folder.
        option: The name of the option, for the message.

    Raises:
        ConfigurationError: If it is a file, or cannot be written to.
    """
    folder = Path(path).absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise ConfigurationError(
            f"{option} '{path}'", f"{existing} is a file", "Choose another folder."
        )
    try:
        # Permissions are not enough: for a read-only file system, or the superuser.
        TemporaryDirectory(dir=existing, prefix=".terratorch-").cleanup()
    except OSError as error:
        raise ConfigurationError(
            f"{option} '{path}'",
            f"{existing} cannot be written to ({error.strerror})",
            "Change its permissions, or choose another folder.",
        ) from error
