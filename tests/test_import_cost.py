"""Importing defines, and does nothing else."""

import os
import subprocess
import sys

import pytest


def _modules_after(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return set(done.stdout.split())


HEAVY = {"torch", "numpy", "timm", "lightning", "albumentations", "rasterio", "matplotlib"}


@pytest.mark.parametrize(
    "code",
    [
        "import terratorch, terratorch.registry",
        "from terratorch import BACKBONE_REGISTRY as r; 'prithvi_eo_tiny' in r['terratorch']",
        "from terratorch.registry import NECK_REGISTRY as r; list(r), len(r), 'SelectIndices' in r",
        "import terratorch.errors, terratorch.bands, terratorch.colors",
        "import terratorch.tasks, terratorch.datamodules, terratorch.cli.main",
    ],
)
def test_names_cost_neither_torch_nor_numpy(code):
    assert not _modules_after(code) & HEAVY


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ("from terratorch.tasks import SemanticSegmentationTask", set()),
        (
            "from terratorch.datamodules import GenericNonGeoSegmentationDataModule",
            {"rasterio"},
        ),
    ],
)
def test_tasks_and_data_do_without_what_they_do_not_use(code, used):
    added = _modules_after(code) - _modules_after("import lightning.pytorch")
    rarely_needed = HEAVY | {"segmentation_models_pytorch", "tensorboard", "pandas", "cv2"}
    assert added & rarely_needed <= used


def test_importing_writes_no_environment():
    code = (
        "import os; before = dict(os.environ)\n"
        "import terratorch.tasks, terratorch.datasets.transforms\n"
        "from terratorch.tasks import SemanticSegmentationTask\n"
        "from terratorch.datamodules import GenericNonGeoSegmentationDataModule\n"
        "own = {k for k in os.environ if os.environ[k] != before.get(k)}\n"
        "assert not {k for k in own if 'ALBU' in k or 'GDAL' in k or 'TERRATORCH' in k}, own"
    )
    _modules_after(code)
