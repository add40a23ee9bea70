import os
import subprocess
import sys

import albumentations
import numpy as np
import pytest
import torch
from jsonargparse import Namespace

from terratorch.datasets import transforms
from terratorch.datasets.transforms import (
    AddConstantToLabels,
    FlattenSamplesIntoChannels,
    FlattenTemporalIntoChannels,
    MultimodalToTensor,
    MultimodalTransforms,
    Padding,
    Rearrange,
    SelectBands,
    UnflattenSamplesFromChannels,
    UnflattenTemporalFromChannels,
)
from terratorch.datasets.transforms.build import build_transforms
from terratorch.datasets.transforms.pipeline import Pipeline
from terratorch.errors import ArgumentNameError, ConfigurationError

IMAGE = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
MASK = np.arange(64).reshape(8, 8).astype(np.int64) % 5


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("D4", "D4"),
        ("albumentations.HorizontalFlip", "HorizontalFlip"),
        (
            {"class_path": "albumentations.HorizontalFlip", "init_args": {"p": 0.3}},
            "HorizontalFlip",
        ),
        ({"class_path": "ToTensorV2"}, "ToTensorV2"),
        ({"class_path": "albumentations.pytorch.transforms.ToTensorV2"}, "ToTensorV2"),
        ({"class_path": "albumentations.pytorch.ToTensorV2", "init_args": None}, "ToTensorV2"),
        ("FlattenTemporalIntoChannels", "FlattenTemporalIntoChannels"),
        (
            {
                "class_path": "terratorch.datasets.transforms.SelectBands",
                "init_args": {"band_indices": [0]},
            },
            "SelectBands",
        ),
        (
            {
                "class_path": "OneOf",
                "init_args": {"transforms": [{"class_path": "D4"}, {"class_path": "Transpose"}]},
            },
            "OneOf",
        ),
        (Namespace(class_path="D4", init_args=Namespace(p=1)), "D4"),
        (albumentations.VerticalFlip(p=1), "VerticalFlip"),
    ],
)
def test_transforms_as_people_write_them(spec, name):
    (transform,) = build_transforms([spec], "train_transform")
    assert type(transform).__name__ == name


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("Transpos", r"train_transform\[0\]: there is no transform 'Transpos'. Did you mean 'Tra"),
        ("D5", "Names are those of albumentations 2.0, or a full path"),
        ({"class_path": "albumentations.HorizontalFlop"}, "Did you mean 'HorizontalFlip'"),
        ({"class_path": "nowhere.Flip"}, "there is no module 'nowhere'"),
        ({"class_path": "terratorch.datasets.transforms.SelectBand"}, "Did you mean 'SelectBands'"),
        ({"class_path": "D4", "args": {}}, "'args' is not expected here"),
        ({"init_args": {}}, "class_path is missing"),
        (
            {"class_path": "HorizontalFlip", "init_args": {"p": 3}},
            "HorizontalFlip: p: .* less than or equal to 1",
        ),
        ({"class_path": "SelectBands"}, "SelectBands: .*band_indices"),
        (3, "3 is not a transform"),
    ],
)
def test_transforms_that_cannot_be_built(spec, message):
    with pytest.raises(ConfigurationError, match=message):
        build_transforms([spec], "train_transform")


@pytest.mark.parametrize("others", [{"width": 8}, {"height": 8, "width": 8}])
def test_arguments_that_a_transform_does_not_know_are_errors(others):
    spec = {"class_path": "RandomCrop", "init_args": {"hight": 8, **others}}
    says = r"t\[0\] RandomCrop: it has no argument 'hight'\. Did you mean 'height'\?"
    with pytest.raises(ArgumentNameError, match=says):
        build_transforms([spec], "t")


def test_arguments_that_a_transform_warned_of_are_errors():
    with pytest.warns(UserWarning, match="not valid"):
        built_elsewhere = albumentations.D4(foo=1)
    with pytest.raises(ArgumentNameError, match="no argument 'foo'"):
        build_transforms([built_elsewhere], "t")


def test_one_transform_is_not_a_list():
    with pytest.raises(ConfigurationError, match="'D4' is not a list"):
        build_transforms("D4", "train_transform")


@pytest.mark.parametrize("steps", [["VerticalFlip"], ["VerticalFlip", "ToTensorV2"]])
def test_images_and_masks_go_through_together(steps):
    specs = [
        {"class_path": name, "init_args": {"p": 1}} if name == "VerticalFlip" else name
        for name in steps
    ]
    image, mask = Pipeline(specs)(IMAGE, MASK)
    assert torch.equal(image, torch.from_numpy(IMAGE).flip(1))
    assert mask is not None
    assert torch.equal(mask.long(), torch.from_numpy(MASK).flip(0))


def test_a_compose_is_used_as_it_is():
    compose = albumentations.Compose([albumentations.HorizontalFlip(p=1)])
    image, _ = Pipeline(compose)(IMAGE)
    assert torch.equal(image, torch.from_numpy(IMAGE).flip(2))


def test_time_passes_through_spatial_transforms():
    image = np.random.default_rng(0).random((3, 4, 8, 8)).astype(np.float32)
    flip = {"class_path": "HorizontalFlip", "init_args": {"p": 1}}
    expected = torch.from_numpy(image).flip(3)
    by_itself, mask = Pipeline([flip])(image, MASK)
    assert torch.equal(by_itself, expected)
    assert mask is not None
    written_out = [
        "FlattenTemporalIntoChannels",
        flip,
        "ToTensorV2",
        {"class_path": "UnflattenTemporalFromChannels", "init_args": {"n_timesteps": 4}},
    ]
    assert torch.equal(Pipeline(written_out)(image, MASK)[0], expected)
    assert torch.equal(Pipeline(written_out[:-2] + written_out[-1:])(image, MASK)[0], expected)
    flat, _ = Pipeline(written_out[:-1])(image, MASK)
    # Time-major: all bands of the first time step come first.
    assert torch.equal(flat, expected.transpose(0, 1).flatten(0, 1))


def test_the_seed_of_torch_decides():
    pipeline, results = Pipeline(["D4", "ToTensorV2"]), []
    for seed in (1, 1, 2, 3, 4):
        torch.manual_seed(seed)
        pipeline._seeded = None
        results.append(torch.stack([pipeline(IMAGE)[0] for _ in range(8)]))
    assert torch.equal(results[0], results[1])
    assert not all(torch.equal(results[0], other) for other in results[2:])


@pytest.mark.parametrize("value", [-1, -100, 255, 40_000])
def test_masks_keep_their_ids_in_transforms_of_opencv(value):
    rotate = {"class_path": "Rotate", "init_args": {"limit": [90, 90], "p": 1}}
    mask = np.full((8, 8), value)
    transformed = Pipeline([rotate])(IMAGE, mask)[1]
    assert transformed is not None
    assert transformed[2:6, 2:6].long().eq(value).all()


def test_temporal_transforms_say_what_they_need():
    with pytest.raises(ConfigurationError, match=r"the image has 3 dimensions .*, not 4"):
        FlattenTemporalIntoChannels()(image=IMAGE)
    with pytest.raises(ConfigurationError, match="neither n_timesteps nor n_channels"):
        UnflattenTemporalFromChannels()
    with pytest.raises(ConfigurationError, match="8 channels do not divide into 3"):
        UnflattenTemporalFromChannels(n_timesteps=3)(image=IMAGE)


def test_samples_are_flattened_and_restored():
    image = np.random.default_rng(0).random((2, 3, 8, 8, 4)).astype(np.float32)
    flat = FlattenSamplesIntoChannels()(image=image)["image"]
    assert flat.shape == (8, 8, 24)
    tensor = torch.from_numpy(flat).permute(2, 0, 1)
    back = UnflattenSamplesFromChannels(n_samples=2, n_timesteps=3)(image=tensor)["image"]
    assert torch.equal(back, torch.from_numpy(image).permute(0, 4, 1, 2, 3))
    with pytest.raises(ConfigurationError, match="too few sizes"):
        UnflattenSamplesFromChannels(n_samples=2)


def test_bands_are_selected():
    image = IMAGE.transpose(1, 2, 0)
    assert np.array_equal(SelectBands([2, 0])(image=image)["image"], image[..., [2, 0]])
    with pytest.raises(ConfigurationError, match="3, but the image has 3 bands"):
        SelectBands([3])(image=image)


def test_images_are_padded_and_masks_have_no_label_there():
    image, mask = np.ones((4, 6, 2), np.float32), np.ones((4, 6), np.int16)
    square = Padding()(image=image, mask=mask)
    assert square["image"].shape == (6, 6, 2)
    assert square["mask"][5].tolist() == [-1] * 6
    assert Padding([8, 8])(image=image)["image"].shape == (8, 8, 2)
    with pytest.raises(ConfigurationError, match="smaller than an image"):
        Padding([2, 2])(image=image)


def test_dimensions_are_rearranged():
    image = np.zeros((4, 8, 8, 3), np.float32)
    assert Rearrange("t h w c -> h w (t c)")(image=image)["image"].shape == (8, 8, 12)
    with pytest.raises(ConfigurationError, match="always applied"):
        Rearrange("h w c -> c h w", p=0.5)


def test_labels_get_a_constant():
    assert AddConstantToLabels()({"label": torch.tensor([0, 1])})["label"].tolist() == [1, 2]
    assert AddConstantToLabels("ids", 2)({"ids": [0, 1]})["ids"] == [2, 3]


def test_modalities_go_through_together():
    sample = {"S2": IMAGE.transpose(1, 2, 0), "S1": IMAGE.transpose(1, 2, 0), "mask": MASK}
    compose = albumentations.Compose(
        [albumentations.D4()], additional_targets={"S1": "image"}, is_check_shapes=False
    )
    done = MultimodalTransforms(compose)(dict(sample, filename="a"))
    assert np.array_equal(done["S1"], done["S2"])
    assert done["filename"] == "a"
    tensors = MultimodalToTensor(["S1", "S2"])(done)
    assert tensors["S1"].shape == (3, 8, 8)
    assert tensors["mask"].shape == (8, 8)


@pytest.mark.slow
def test_albumentations_is_not_imported_before_and_asks_no_network():
    code = (
        "import sys, terratorch.datasets.transforms, terratorch.datasets.transforms.build\n"
        "import terratorch.datasets.generic_pixel_wise_dataset\n"
        "assert 'albumentations' not in sys.modules\n"
        "import socket; socket.socket.connect = None\n"
        "from terratorch.datasets.transforms import SelectBands\n"
        "import os; assert 'NO_ALBUMENTATIONS_UPDATE' not in os.environ\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code], check=True, env=environment
    )


def test_all_public_names_are_there():
    assert all(isinstance(getattr(transforms, name), type) for name in transforms.__all__)
    with pytest.raises(AttributeError):
        _ = transforms.Nothing


def test_a_crop_larger_than_the_image_says_so():
    crop = {"class_path": "RandomCrop", "init_args": {"height": 8, "width": 8}}
    pipeline = Pipeline([crop], "train_transform")
    with pytest.raises(ConfigurationError, match=r"^train_transform: crops more .* 4 x 5 pixels"):
        pipeline(np.zeros((1, 4, 5), np.float32))


def test_images_stay_floats():
    image, _ = Pipeline(["FromFloat"])(np.full((3, 4, 4), 0.5, np.float32))
    assert image.dtype == torch.float32
