"""`terratorch predict` writes boxes and vectors from a checkpoint of a user's own task."""

import own_outputs
import pytest
import torch
from output_parts import OWN, SPEC, boxes_in, objects_scene, true_boxes
from own_outputs import NAMES

from terratorch.cli.inference_model import LightningInferenceModel
from terratorch.cli.main import main
from terratorch.prediction.outputs.boxes import read_boxes
from terratorch.prediction.outputs.vectors import read_patches, read_vectors
from terratorch.tasks import checkpoint_format


@pytest.fixture
def checkpoint(tmp_path):
    """Write the checkpoint of a task as a training would, without one."""

    def write(name, **arguments):
        task = getattr(own_outputs, name)(**arguments)
        content = {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}
        checkpoint_format.complete(
            content,
            task=type(task),
            settings=task.settings,
            input_spec=SPEC,
            chip_size=None,
            model_by_name=True,
        )
        path = tmp_path / f"{name}.ckpt"
        torch.save(content, path)
        return path

    return write


def run(checkpoint, scenes, maps, *options):
    return main(
        [
            *("predict", "--ckpt_path", str(checkpoint), "--predict_data", str(scenes)),
            *("--predict_output_dir", str(maps), "--accelerator", "cpu"),
            *("--custom_modules_path", str(OWN), *options),
        ]
    )


def test_boxes(checkpoint, scene, tmp_path, capsys):
    path = checkpoint("BlobTask", class_names=NAMES)
    maps = tmp_path / "maps"
    tiles = ("--crop", "40", "--stride", "24")
    assert run(path, scene.parent, maps, *tiles, "--outputs", "boxes") == 0
    assert sorted(file.name for file in maps.iterdir()) == ["scene_pred.gpkg", "scene_pred.png"]
    assert boxes_in(read_boxes(maps / "scene_pred.gpkg")) == true_boxes()
    capsys.readouterr()
    assert run(path, scene.parent, maps, *tiles) == 0
    assert "Skipped 1 file" in capsys.readouterr().out


def test_vectors_of_patches(checkpoint, scene, tmp_path):
    path, maps = checkpoint("PatchTask"), tmp_path / "maps"
    assert run(path, scene.parent, maps, "--format", "parquet", "--mosaic") == 0
    names = ["mosaic.vrt", "scene_pred.parquet", "scene_pred.png", "scene_pred.tif"]
    assert sorted(file.name for file in maps.iterdir()) == names
    assert read_patches(maps / "scene_pred.tif").patch_size == 4


def test_vectors_of_images(checkpoint, tmp_path):
    chips = tmp_path / "chips"
    for name in "ab":
        objects_scene(chips / f"{name}.tif")
    path = checkpoint("ImageTask")
    assert run(path, chips, tmp_path / "maps", "--outputs", "vectors") == 0
    assert read_vectors(tmp_path / "maps/vectors.parquet").values.shape == (2, 6)


@pytest.mark.parametrize(
    ("task", "given", "message"),
    [
        ("BlobTask", "--format cog", "format: cog, but predictions are written as boxes"),
        ("BlobTask", "--vectorize gpkg", "vectorize: gpkg, but predictions are written as boxes"),
        ("BlobTask", "--out_dtype uint8", "out_dtype: uint8, but predictions are written as boxes"),
        ("BlobTask", "--stac", "stac: True, but predictions are written as boxes"),
        ("BlobTask", "--outputs vectors", "BoxObjective overrides outputs()"),
        ("BlobTask", "--augment flips", "augment: flips, but predictions are written as boxes"),
        ("BlobTask", "--distributed ray", "distributed: ray, but predictions are written as boxes"),
        ("PatchTask", "--format gpkg", "Use gtiff or cog or parquet."),
        ("ImageTask", "--format gtiff", "written as one table of vectors"),
    ],
)
def test_options_are_checked_against_the_type(
    task, given, message, checkpoint, scene, tmp_path, capsys
):
    assert run(checkpoint(task), scene.parent, tmp_path / "maps", *given.split()) == 2
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "maps").glob("*"))


def test_python_model(checkpoint, scene):
    model = LightningInferenceModel.from_checkpoint(checkpoint("BlobTask"))
    assert boxes_in(model.inference(scene)) == true_boxes()
    boxes, files = model.inference_on_dir(scene.parent)
    assert boxes_in(boxes[0]) == true_boxes()
    assert files == [str(scene)]
    vectors = LightningInferenceModel.from_checkpoint(checkpoint("PatchTask")).inference(scene)
    assert vectors.shape == (6, 25, 24)
