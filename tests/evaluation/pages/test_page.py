"""The frame of the pages."""

import re

import pytest

from terratorch.errors import DataError
from terratorch.evaluation.pages.page import render_page, write_page
from terratorch.evaluation.pages.report import render
from terratorch.evaluation.pages.report_search import Report


def test_a_page_holds_everything_and_escapes_its_title():
    text = render_page("page.html", title="Score < 1 & more")
    assert "<title>Score &lt; 1 &amp; more</title>" in text
    assert "default-src 'none'" in text
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)


def test_text_is_not_read_as_a_template():
    text = render(Report(None, None, ["costs {{ title }} <b>"]))
    assert "costs {{ title }} &lt;b&gt;" in text


def test_page_is_written_whole_or_not_at_all(tmp_path):
    path = write_page(tmp_path / "new" / "page.html", "text")
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]
    path.with_name("folder").mkdir()
    with pytest.raises(DataError, match=r"folder: cannot be written \(Is a directory"):
        write_page(path.with_name("folder"), "text")
    assert sorted(file.name for file in path.parent.iterdir()) == ["folder", "page.html"]
    with pytest.raises(DataError, match=r"cannot be written \((Not a directory|File exists)"):
        write_page(path / "page.html", "text")
