"""The skeleton of the pages."""

import io
import json
import re

import numpy as np
import pytest

from terratorch.errors import DataError
from terratorch.evaluation.pages.page import escape, json_script, render_page, write_page
from terratorch.evaluation.pages.png import encode_png, png_data_uri


def test_page_holds_everything_and_escapes_its_title():
    text = render_page("Score < 1 & more", "<p>body</p>", footer="data: ESA")
    assert "<title>Score &lt; 1 &amp; more</title>" in text
    assert "<p>body</p>" in text
    assert "data: ESA" in text
    assert "default-src 'none'" in text
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)


def test_body_is_not_read_as_template():
    assert "costs $title" in render_page("a", "costs $title")


def test_json_cannot_end_its_element():
    text = json_script("data", {"name": "</script><b>"})
    assert text.count("</script>") == 1
    assert json.loads(text.partition(">")[2].rpartition("<")[0])["name"] == "</script><b>"


def test_escape_is_fit_for_attributes():
    assert escape('"a" <b>') == "&quot;a&quot; &lt;b&gt;"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_read_back(channels):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    read = np.asarray(image.open(io.BytesIO(encode_png(pixels)))).reshape(pixels.shape)
    assert np.array_equal(read, pixels)
    assert png_data_uri(pixels).startswith("data:image/png;base64,")


def test_page_is_written_whole_or_not_at_all(tmp_path):
    path = write_page(tmp_path / "new" / "page.html", "text")
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]
    path.with_name("folder").mkdir()
    with pytest.raises(DataError, match=r"folder: cannot be written \(Is a directory"):
        write_page(path.with_name("folder"), "text")
    assert sorted(file.name for file in path.parent.iterdir()) == ["folder", "page.html"]
    with pytest.raises(DataError, match=r"cannot be written \((Not a directory|File exists)"):
        write_page(path / "page.html", "text")
