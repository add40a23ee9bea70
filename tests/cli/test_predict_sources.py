"""`terratorch predict` reads what GDAL reads: virtual rasters, archives, and over the network."""

import os
import pickle
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

from chip_files import write_tif
from terratorch.cli.main import main
from terratorch.errors import DataError
from terratorch.geo.raster import open_raster
from terratorch.geo.remote import is_on_network, network_settings, parse_path


@pytest.fixture
def scene(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 3000, (6, 300, 280)).astype(np.int16)
    return write_tif(tmp_path / "north.tif", pixels)


@pytest.fixture
def predict(fitted, tmp_path):
    """Predict a source into a folder of `tmp_path`; return the exit code."""

    def run(folder, *sources):
        checkpoint = fitted / "checkpoints" / "best.ckpt"
        given = ("--ckpt_path", checkpoint, "--predict_data", *sources)
        options = ("--predict_output_dir", tmp_path / folder, "--no_quicklook", "--crop", "96")
        return main(["predict", *map(str, (*given, *options))])

    return run


class Files(BaseHTTPRequestHandler):
    """Serves parts of one file, and breaks off once `broken` is set."""

    content = b""
    broken = False

    def do_HEAD(self):
        self.answer(b"")

    def do_GET(self):
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        end = min(int(last or len(self.content)), len(self.content) - 1)
        if self.broken and int(first):
            self.send_error(500)
            return
        self.answer(self.content[int(first) : end + 1], f"bytes {first}-{end}/{len(self.content)}")

    def answer(self, body, part=None):
        if "north.tif" not in self.path or self.path.split("?")[0].endswith((".aux.xml", ".ovr")):
            self.send_error(404)
            return
        self.send_response(206 if part else 200)
        if part:
            self.send_header("Content-Range", part)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body) or len(self.content)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def server(scene, monkeypatch):
    monkeypatch.setattr(Files, "content", scene.read_bytes())
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_virtual_rasters_cogs_archives_and_urls_give_the_same_map(scene, predict, server, tmp_path):
    copy(scene, tmp_path / "as_vrt.vrt", driver="VRT")
    copy(scene, tmp_path / "as_cog.tif", driver="COG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(scene, "in/zipped.tif")
    assert predict("one", scene) == 0
    sources = {
        "as_vrt": tmp_path / "as_vrt.vrt",
        "as_cog": tmp_path / "as_cog.tif",
        "zipped": f"/vsizip/{tmp_path}/a.zip/in/zipped.tif",
        "north": f"{server}/north.tif?token=a.b/c",
    }
    assert predict("all", *sources.values()) == 0
    expected = read(tmp_path / "one" / "north_pred.tif")
    for name in sources:
        assert np.array_equal(read(tmp_path / "all" / f"{name}_pred.tif"), expected)


def test_a_lost_network_is_told_and_leaves_no_map(predict, server, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    assert predict("maps", f"{server}/none.tif") == 3
    assert "none.tif: cannot be read over the network" in capsys.readouterr().err
    monkeypatch.setattr(Files, "broken", True)
    assert predict("maps", f"{server}/north.tif?a_second_time") == 3
    shown = capsys.readouterr().err
    assert "/north.tif?a_second_time: cannot be read over the network" in shown
    assert "Check the address and the connection, and run again" in shown
    assert not list((tmp_path / "maps").glob("*"))


def test_what_is_not_there_is_told(predict, tmp_path, capsys):
    assert predict("maps", f"/vsizip/{tmp_path}/none.zip/a.tif") == 3
    assert "none.zip/a.tif: there is no such file" in capsys.readouterr().err


def test_urls_stay_as_they_are():
    url = "https://host/a/scene.tif?sig=x.y/z"
    path = pickle.loads(pickle.dumps(parse_path(url)))
    assert (str(path), os.fspath(path), path.stem, path.suffix) == (url, url, "scene", ".tif")
    assert path == parse_path(url)
    assert not path.exists()
    assert str(path.parent) == "https:/host/a/scene.tif?sig=x.y"
    assert type(parse_path("a/b.tif")) is type(Path())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s3://b/x.tif", True),
        ("/vsicurl/http://h/x", True),
        ("/vsizip/a.zip/b", False),
        ("a", False),
    ],
)
def test_what_needs_the_network(path, expected):
    assert is_on_network(path) == expected


def test_the_environment_comes_before_our_settings(monkeypatch):
    assert network_settings()["GDAL_HTTP_TIMEOUT"] == "60"
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "5")
    assert "GDAL_HTTP_TIMEOUT" not in network_settings()


def test_opening_names_a_url_that_nobody_serves(monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    with (
        pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/a\.tif: cannot be read over"),
        open_raster("http://127.0.0.1:9/a.tif"),
    ):
        pass
