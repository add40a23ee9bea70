"""Weight files: find or download, read safely, fit to the model, load strictly.

Everything that loads weights goes through here.
"""

from terratorch.models.weights.files import (
    load_state_dict_file,
    read_checkpoint_file,
    state_dict_in,
)
from terratorch.models.weights.fit import adapt_first_projection, load_strictly
from terratorch.models.weights.source import weights_file

__all__ = [
    "adapt_first_projection",
    "load_state_dict_file",
    "load_strictly",
    "read_checkpoint_file",
    "state_dict_in",
    "weights_file",
]
