"""Files of several modalities, paired by name."""

from pathlib import Path

import pytest

from terratorch.datasets.files import FoundFile
from terratorch.datasets.scenes.scene_files import pair_modalities
from terratorch.errors import DataError


def found(**names):
    """Return the files of each modality; `name|key` gives what a wildcard stands for."""
    files = {}
    for modality, texts in names.items():
        parts = [text.partition("|") for text in texts]
        files[modality] = [
            FoundFile(Path(modality, name), name, key or Path(name).stem) for name, _, key in parts
        ]
    return files


@pytest.mark.parametrize(
    ("s1", "s2", "scenes"),
    [
        (["a.tif", "b.tif"], ["b.tif", "a.tif"], ["a", "b"]),
        (["a_S1.tif", "b_S1.tif"], ["a_S2.tif", "b_S2.tif"], ["a", "b"]),
        (["S1_a.tif", "S1_b.tif"], ["a-s2.jp2", "b-s2.jp2"], ["a", "b"]),
        (["T3_S1_x.tif", "T4_S1_x.tif"], ["T3_S2_x.tif", "T4_S2_x.tif"], ["T3_x", "T4_x"]),
        (["a_vv.tif|a", "b_vv.tif|b"], ["a_all.tif|a", "b_all.tif|b"], ["a", "b"]),
        (["monday.tif"], ["tuesday.tif"], ["monday"]),
        (["a_S1.tif"], ["a_S2.tif"], ["a"]),
        (["S1.tif"], ["S2.tif"], ["S1"]),
    ],
)
def test_names_that_differ_by_the_modality_are_of_one_scene(s1, s2, scenes):
    paired = pair_modalities(found(S1=s1, S2=s2), "predict_data")
    assert [scene.name for scene in paired] == scenes
    assert all(list(scene.files) == ["S1", "S2"] for scene in paired)
    assert paired[0].files["S1"] == Path("S1", s1[0].partition("|")[0])


def test_what_is_missing_is_named():
    with pytest.raises(DataError) as caught:
        pair_modalities(found(S1=["a.tif"], S2=["a.tif", "b.tif", "c.tif"]), "predict_data")
    assert str(caught.value).startswith(
        "predict_data: 2 of 3 scenes have no file of S1 (b, c). Files of a scene have the same name"
    )


def test_two_files_of_a_modality_in_a_scene_are_refused():
    files = found(S1=["a.tif", "S1_a.tif"], S2=["a.tif"])
    with pytest.raises(DataError, match=r"the scene a has 2 files of S1: S1/a\.tif, S1/S1_a\.tif"):
        pair_modalities(files, "predict_data")


def test_names_of_scenes_are_names_of_files():
    files = found(S1=["x.tif|u/|a", "y.tif|v/|a"], S2=["p.tif|u/|a", "q.tif|v/|a"])
    paired = pair_modalities(files, "predict_data")
    assert [scene.name for scene in paired] == ["u_a", "v_a"]


def test_swapped_modalities_are_told():
    files = found(S2=["a_S1.tif", "b_S1.tif"], S1=["a_S2.tif", "b_S2.tif"])
    with pytest.raises(DataError, match=r"S2=S2/a_S1\.tif: the file is called like one of S1\."):
        pair_modalities(files, "predict_data")
