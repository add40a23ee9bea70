"""Get files of the Hugging Face Hub from the local cache, or download them; fail fast offline."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from terratorch.errors import WeightsError

_CONNECT_SECONDS = 5.0


def hub_file(repo: str, file: str, revision: str | None = None) -> Path:
    """Return a file of the Hub, downloading it the first time.

    Args:
        repo: Its repository, such as `timm/resnet18.a1_in1k`.
        file: Its name in the repository.
        revision: The commit or branch; None for the main one.

    Raises:
        WeightsError: If it is neither in the cache nor can be downloaded.
    """
    import huggingface_hub  # slow to import, and most models do not need it
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def fetch(cached: bool) -> Path:
        return Path(
            huggingface_hub.hf_hub_download(repo, file, revision=revision, local_files_only=cached)
        )

    url = huggingface_hub.hf_hub_url(repo, file, revision=revision)
    try:
        return fetch(cached=True)
    except LocalEntryNotFoundError:
        if huggingface_hub.constants.HF_HUB_OFFLINE or not _reachable(url):
            raise _not_available(repo, file, url, "there is no network") from None
    try:
        return fetch(cached=False)
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise _not_available(repo, file, url, reason) from error


def _not_available(repo: str, file: str, url: str, reason: str) -> WeightsError:
    return WeightsError(
        f"Weights '{file}' of '{repo}'",
        f"are not in the local cache and cannot be downloaded: {reason}",
        f"Download {url} on another machine, and give the path of the file as backbone_ckpt_path "
        "(ckpt_path in Python).",
    )


def _reachable(url: str) -> bool:
    """Return whether a server answers; the Hub's own client retries for most of a minute."""
    if urllib.request.getproxies():
        return True  # only the client knows how to reach it
    parts = urlsplit(url)
    try:
        socket.create_connection(
            (parts.hostname or "", parts.port or 443), timeout=_CONNECT_SECONDS
        ).close()
    except OSError:
        return False
    return True
