import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terratorch.datasets.files import FoundFile, SplitFile, find_files
from terratorch.datasets.pairing import OptionNames, pair_files
from terratorch.errors import ConfigurationError, DataError, MissingFileError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(pairs):
    return [(pair.image.name, pair.label.name) for pair in pairs]


def split_of(tmp_path, text, ignore_extensions=True, allow_substring=True):
    path = tmp_path / "split.txt"
    path.write_text(text)
    return SplitFile.read(path, ignore_extensions, allow_substring, "train_split")


def test_in_one_folder_patterns_tell_images_from_labels(tmp_path):
    touch(tmp_path, "a_merged.tif", "a.mask.tif", "b_merged.tif", "b.mask.tif")
    pairs = pair_files(tmp_path, None, "*_merged.tif", "*.mask.tif")
    assert names(pairs) == [("a_merged.tif", "a.mask.tif"), ("b_merged.tif", "b.mask.tif")]


def test_names_with_dots_are_whole_names(tmp_path):
    touch(tmp_path, "S30.T10SDH.v1.4_merged.tif", "S30.T10SDH.v1.4.mask.tif")
    assert len(pair_files(tmp_path, None, "*_merged.tif", "*.mask.tif")) == 1


def test_in_two_folders_extensions_may_differ_without_patterns(tmp_path):
    touch(tmp_path, "images/a.tif", "images/b.tif", "labels/a.png", "labels/b.png")
    pairs = pair_files(tmp_path / "images", tmp_path / "labels")
    assert names(pairs) == [("a.tif", "a.png"), ("b.tif", "b.png")]


def test_side_files_and_lists_are_not_images(tmp_path):
    touch(tmp_path, "images/a.tif", "images/a.tif.aux.xml", "images/train.txt", "images/.hidden")
    touch(tmp_path, "labels/a.tif")
    assert len(pair_files(tmp_path / "images", tmp_path / "labels")) == 1


def test_patterns_with_folders_pair_by_all_wildcards(tmp_path):
    touch(tmp_path, "t1/S2/a.tif", "t2/S2/a.tif", "t1/mask/a.tif", "t2/mask/a.tif")
    pairs = pair_files(tmp_path, None, "*/S2/*.tif", "*/mask/*.tif")
    assert [(p.image.parts[-3], p.label.parts[-3]) for p in pairs] == [("t1", "t1"), ("t2", "t2")]


def test_the_wider_pattern_leaves_the_labels_to_the_narrower(tmp_path):
    touch(tmp_path, "a.tif", "b.tif", "a_mask.tif", "b_mask.tif")
    expected = [("a.tif", "a_mask.tif"), ("b.tif", "b_mask.tif")]
    assert names(pair_files(tmp_path, None, "*.tif", "*_mask.tif")) == expected
    reverse = pair_files(tmp_path, None, "*_mask.tif", "*.tif")
    assert names(reverse) == [(label, image) for image, label in expected]


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [("chip_?.tif", 2), ("chip_[1].tif", 1), ("chip_[!1].tif", 1), ("**/*.tif", 3)],
)
def test_glob_patterns(tmp_path, pattern, matched):
    touch(tmp_path, "chip_1.tif", "chip_2.tif", "deep/er/chip_3.tif")
    assert len(find_files(tmp_path, pattern, "data_root")) == matched


def test_a_missing_folder_says_where_the_path_ends(tmp_path):
    with pytest.raises(MissingFileError) as error:
        find_files(tmp_path / "data" / "train", "*", "train_data_root")
    assert "train_data_root" in str(error.value)
    assert "there is no such folder" in str(error.value)
    assert f"ends at {tmp_path}" in str(error.value)


def test_a_file_is_not_a_folder(tmp_path):
    touch(tmp_path, "a.tif")
    with pytest.raises(MissingFileError, match="this is a file"):
        find_files(tmp_path / "a.tif", "*", "data_root")


def test_an_empty_folder_is_said_to_be(tmp_path):
    with pytest.raises(DataError, match="the folder is empty"):
        find_files(tmp_path, "*", "data_root")


def test_a_folder_of_folders_names_them(tmp_path):
    touch(tmp_path, "images/a.tif")
    with pytest.raises(DataError, match="only folders: images"):
        find_files(tmp_path, "*", "data_root")


def test_a_pattern_that_matches_nothing_shows_what_there_is(tmp_path):
    touch(tmp_path, "a.tiff", "b.tiff")
    with pytest.raises(DataError, match=r"none of its 2 files .* '\*\.tif'.*There are: a\.tiff"):
        find_files(tmp_path, "*.tif", "data_root")


def test_what_is_missing_is_named_on_either_side(tmp_path):
    touch(tmp_path, "images/a.tif", "images/b.tif", "labels/b.tif", "labels/c.tif")
    with pytest.raises(DataError) as error:
        pair_files(tmp_path / "images", tmp_path / "labels")
    assert "1 of 2 images have no label (a.tif)" in str(error.value)
    assert "1 of 2 labels have no image (c.tif)" in str(error.value)
    assert "split file" in str(error.value)


def test_names_that_never_match_explain_the_patterns(tmp_path):
    touch(tmp_path, "images/img_1.tif", "labels/mask_1.tif")
    with pytest.raises(DataError, match=r"adapt img_grep and label_grep, as in 'img_\*\.tif'"):
        pair_files(
            tmp_path / "images",
            tmp_path / "labels",
            options=OptionNames.of_data_module("train"),
        )
    pairs = pair_files(tmp_path / "images", tmp_path / "labels", "img_*.tif", "mask_*.tif")
    assert names(pairs) == [("img_1.tif", "mask_1.tif")]


def test_one_pattern_for_both_in_one_folder_is_an_error(tmp_path):
    touch(tmp_path, "a.tif")
    with pytest.raises(DataError, match="match the same files"):
        pair_files(tmp_path, None)


def test_two_files_of_one_chip_are_an_error(tmp_path):
    touch(tmp_path, "images/a.tif", "images/a.png", "labels/a.tif")
    with pytest.raises(DataError, match="same chip name 'a'"):
        pair_files(tmp_path / "images", tmp_path / "labels")


@pytest.mark.parametrize(
    "entry",
    ["chip_1", "chip_1_merged", "chip_1_merged.tif", "chip_1.mask", "chip_1.mask.tif", "./chip_1"],
)
def test_a_split_names_chips_or_either_of_their_files(tmp_path, entry):
    folder = touch(tmp_path / "data", *_burn_scars(1, 2, 10))
    split = split_of(tmp_path, f"{entry}\n\n")
    pairs = pair_files(folder, None, "*_merged.tif", "*.mask.tif", split)
    assert names(pairs) == [("chip_1_merged.tif", "chip_1.mask.tif")]


def _burn_scars(*numbers):
    return [f"chip_{n}{end}" for n in numbers for end in ("_merged.tif", ".mask.tif")]


def test_a_split_may_leave_out_what_has_no_label(tmp_path):
    folder = touch(tmp_path / "data", *_burn_scars(1), "chip_9_merged.tif")
    split = split_of(tmp_path, "chip_1")
    assert len(pair_files(folder, None, "*_merged.tif", "*.mask.tif", split)) == 1


def test_parts_of_names_match_as_words_before_they_match_anywhere(tmp_path):
    files = [
        FoundFile(tmp_path / name, name, name.removesuffix(".tif"))
        for name in ("Bolivia_23_S2.tif", "Bolivia_234_S2.tif", "Ghana_1_S2.tif")
    ]
    found = {
        part: [file.key for file in split_of(tmp_path, part).select(files)]
        for part in ("Bolivia_23", "Bolivia", "ivia_2", "Bolivia_23_S2")
    }
    assert found["Bolivia_23"] == ["Bolivia_23_S2"]
    assert found["Bolivia"] == ["Bolivia_23_S2", "Bolivia_234_S2"]
    assert found["ivia_2"] == ["Bolivia_23_S2", "Bolivia_234_S2"]
    assert found["Bolivia_23_S2"] == ["Bolivia_23_S2"]


def test_without_substrings_names_must_be_whole(tmp_path):
    files = [FoundFile(tmp_path / "a_1.tif", "a_1.tif", "a_1")]
    with pytest.raises(DataError, match="allow_substring_split_file would allow"):
        split_of(tmp_path, "a", allow_substring=False).select(files)
    assert split_of(tmp_path, "a_1", allow_substring=False).select(files) == files


def test_extensions_count_where_they_are_not_ignored(tmp_path):
    files = [FoundFile(tmp_path / "a.tif", "a.tif", "a")]
    with pytest.raises(DataError, match="match no file"):
        split_of(tmp_path, "a.png", ignore_extensions=False).select(files)
    assert split_of(tmp_path, "a.png").select(files) == files


def test_entries_that_match_nothing_are_named(tmp_path):
    folder = touch(tmp_path / "data", *_burn_scars(1))
    split = split_of(tmp_path, "chip_1\nelsewhere\n")
    with pytest.raises(DataError) as error:
        pair_files(folder, None, "*_merged.tif", "*.mask.tif", split)
    assert "train_split" in str(error.value)
    assert "1 of 2 entries match no file: elsewhere" in str(error.value)
    assert "chip_1_merged.tif" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"), [("", "the file is empty"), (b"\xff\xfe\x00", "not a text file")]
)
def test_split_files_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "split.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=message):
        SplitFile.read(path, True, True)


def test_a_missing_split_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"val_split .*gone\.txt: there is no such file"):
        SplitFile.read(tmp_path / "gone.txt", True, True, "val_split")


def test_many_files_take_no_time(tmp_path):
    folder = touch(tmp_path / "data", *_burn_scars(*range(500)))
    split = split_of(tmp_path, "\n".join(f"chip_{number}_mer" for number in range(500)))
    start = time.perf_counter()
    assert len(pair_files(folder, None, "*_merged.tif", "*.mask.tif", split)) == 500
    assert time.perf_counter() - start < 1


CHIP = st.text("ab1._-", min_size=1, max_size=6).filter(lambda name: name[0] != ".")


@given(st.sets(CHIP, min_size=1, max_size=8))
def test_any_names_pair_with_their_own(tmp_path_factory, chips):
    folder = tmp_path_factory.mktemp("any")
    touch(
        folder, *(f"{chip}_image.tif" for chip in chips), *(f"{chip}_label.tif" for chip in chips)
    )
    pairs = pair_files(folder, None, "*_image.tif", "*_label.tif")
    assert {(p.image.name[:-10], p.label.name[:-10]) for p in pairs} == {(c, c) for c in chips}


def test_one_folder_under_two_names_is_one_folder(tmp_path):
    touch(tmp_path / "chips", "a.tif", "b.tif")
    (tmp_path / "link").symlink_to(tmp_path / "chips")
    with pytest.raises(DataError, match="match the same files"):
        pair_files(tmp_path / "chips", tmp_path / "link")


def test_links_that_lead_back_have_an_end(tmp_path):
    touch(tmp_path, "a/b/one.tif")
    (tmp_path / "a/b/back").symlink_to(tmp_path / "a")
    assert [file.relative for file in find_files(tmp_path, "**/*.tif", "data")] == ["a/b/one.tif"]


def test_a_pattern_that_cannot_be_read_says_why(tmp_path):
    touch(tmp_path, "one.tif")
    with pytest.raises(ConfigurationError, match=r"pattern '\[z-a\]\*': cannot be read: bad"):
        find_files(tmp_path, "[z-a]*", "data")
