import hashlib
import logging
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from terratorch.errors import MissingFileError, WeightsError
from terratorch.models import weights
from terratorch.models.backbones.prithvi.variants import PRITHVI_BANDS
from terratorch.models.backbones.prithvi_vit import (
    prithvi_eo_tiny,
    prithvi_eo_v1_100,
    prithvi_eo_v1_100_mae,
    prithvi_eo_v2_300_tl,
    prithvi_eo_v2_300_tl_mae,
)
from terratorch.models.weights import files, hub, source
from terratorch.ops.state_dict import find_state_dict, match_bands, spread_rgb

TINY = {"img_size": 32, "patch_size": [1, 8, 8], "embed_dim": 32, "depth": 2, "num_heads": 2}
TINY_MAE = {**TINY, "decoder_embed_dim": 16, "decoder_depth": 1, "decoder_num_heads": 2}


@pytest.fixture
def saved(tmp_path):
    def save(state, name="weights.pt"):
        torch.save(state, tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def autoencoder():
    return prithvi_eo_v2_300_tl_mae(**TINY_MAE)


def assert_same(model, state):
    own = model.state_dict()
    assert all(torch.equal(own[key], value) for key, value in state.items())
    assert len(state) > 20


# The layouts of Prithvi files.


def without_prefixes(state):
    return {key.split(".", 1)[1]: value for key, value in state.items()}


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param(lambda state: state, id="as published"),
        pytest.param(lambda state: {"model_state_dict": state, "epoch": 3}, id="in a wrapper"),
        pytest.param(without_prefixes, id="1.0: without prefixes"),
        pytest.param(
            lambda state: {key.replace(".", "._timm_module.", 1): v for key, v in state.items()},
            id="of old training code",
        ),
        pytest.param(
            lambda state: {key: v for key, v in state.items() if key.startswith("encoder.")},
            id="encoder with its prefix",
        ),
        pytest.param(
            lambda state: {
                "state_dict": {
                    **{f"model.{key}": v for key, v in state.items() if key.startswith("encoder.")},
                    "model.decoder.conv.weight": torch.zeros(1),
                    "model.head.weight": torch.zeros(1),
                }
            },
            id="fine-tuned",
        ),
    ],
)
def test_an_encoder_reads_every_layout(autoencoder, saved, layout):
    path = saved(layout(autoencoder.state_dict()))
    encoder = prithvi_eo_v2_300_tl(ckpt_path=path, **TINY)
    assert_same(encoder, autoencoder.encoder.state_dict())


@pytest.mark.parametrize("layout", [lambda state: state, without_prefixes])
def test_an_autoencoder_reads_its_decoder_too(autoencoder, saved, layout):
    path = saved(layout(autoencoder.state_dict()))
    loaded = prithvi_eo_v2_300_tl_mae(ckpt_path=path, **TINY_MAE)
    assert_same(loaded, autoencoder.state_dict())


def test_safetensors_are_read(autoencoder, tmp_path):
    save_file(autoencoder.state_dict(), tmp_path / "w.safetensors")
    encoder = prithvi_eo_v2_300_tl(ckpt_path=tmp_path / "w.safetensors", **TINY)
    assert_same(encoder, autoencoder.encoder.state_dict())


def test_positions_are_those_of_the_model(autoencoder, saved):
    path = saved(autoencoder.state_dict())
    sizes = {**TINY, "img_size": 64, "num_frames": 3}
    fresh = prithvi_eo_v2_300_tl(**sizes)
    loaded = prithvi_eo_v2_300_tl(ckpt_path=path, **sizes)
    assert torch.equal(loaded.pos_embed, fresh.pos_embed)


def test_encodings_that_the_model_lacks_are_left_out(autoencoder, saved):
    encoder = prithvi_eo_v1_100(ckpt_path=saved(autoencoder.state_dict()), **TINY)
    assert_same(encoder, encoder.state_dict())
    assert torch.equal(encoder.cls_token, autoencoder.encoder.cls_token)


def test_prompts_may_be_missing(autoencoder, saved):
    path = saved(autoencoder.state_dict())
    encoder = prithvi_eo_v2_300_tl(ckpt_path=path, vpt=True, vpt_n_tokens=2, **TINY)
    assert torch.equal(encoder.norm.weight, autoencoder.encoder.norm.weight)


def test_a_file_of_another_depth_is_refused(autoencoder, saved):
    path = saved(autoencoder.state_dict())
    with pytest.raises(
        WeightsError, match=r"do not fit PrithviViT: 12 missing \(blocks.2.norm1.weight"
    ):
        prithvi_eo_v2_300_tl(ckpt_path=path, **{**TINY, "depth": 3})
    with pytest.raises(
        WeightsError, match=r"of another shape \(cls_token: \(1, 1, 32\) in the file"
    ):
        prithvi_eo_v2_300_tl(ckpt_path=path, **{**TINY, "embed_dim": 48, "num_heads": 3})


# Bands.


def test_bands_are_matched_by_name(autoencoder, saved, caplog):
    path = saved(autoencoder.state_dict())
    with caplog.at_level(logging.INFO):
        encoder = prithvi_eo_v2_300_tl(
            ckpt_path=path, bands=["SWIR_1", "RED_EDGE_1", "BLUE"], **TINY
        )
    trained = autoencoder.encoder.patch_embed.proj.weight
    fitted = encoder.patch_embed.proj.weight
    assert torch.equal(fitted[:, 0], trained[:, 4])
    assert torch.equal(fitted[:, 2], trained[:, 0])
    assert not any(torch.equal(fitted[:, 1], trained[:, band]) for band in range(6))
    assert "weights of the bands ['SWIR_1', 'BLUE'] are copied by name" in caplog.text
    assert "not trained on the bands ['RED_EDGE_1']: their weights are randomly" in caplog.text


def test_a_file_with_other_bands_says_so(autoencoder, saved):
    other = prithvi_eo_v2_300_tl(bands=["RED", "VV"], **TINY)
    path = saved(other.state_dict())
    with pytest.raises(WeightsError, match=r"has 2 bands, not the 6 .* backbone_pretrained_bands"):
        prithvi_eo_v2_300_tl(ckpt_path=path, **TINY)
    encoder = prithvi_eo_v2_300_tl(
        ckpt_path=path, pretrained_bands=["RED", "VV"], bands=["VV"], **TINY
    )
    assert torch.equal(encoder.patch_embed.proj.weight[:, 0], other.patch_embed.proj.weight[:, 1])


def test_another_patch_starts_at_random_and_says_so(autoencoder, saved, caplog):
    path = saved(autoencoder.state_dict())
    encoder = prithvi_eo_v2_300_tl(ckpt_path=path, **{**TINY, "patch_size": [1, 4, 4]})
    assert encoder.patch_embed.proj.weight.shape[-1] == 4
    assert torch.equal(encoder.norm.bias, autoencoder.encoder.norm.bias)
    assert "It stays randomly initialised" in caplog.text


def test_number_of_bands_alone_is_not_enough_for_weights(autoencoder, saved):
    with pytest.raises(ValueError, match="in_chans: 3, but there are 6 bands"):
        prithvi_eo_v2_300_tl(ckpt_path=saved(autoencoder.state_dict()), in_chans=3, **TINY)


def test_filters_of_rgb_are_spread_over_bands():
    weight = torch.tensor([[1.0, 2.0, 6.0]])
    fitted = spread_rgb(weight, ["BLUE", "GREEN", "RED", "NIR_BROAD", 7, "VV"])
    assert fitted.tolist() == [[3.0, 1.0, 0.5, 1.5, 1.5, 1.5]]


def test_matching_bands_leaves_its_arguments_alone():
    weight, fresh = torch.ones(1, 2), torch.zeros(1, 2)
    assert match_bands(weight, ["a", "b"], fresh, ["b", "c"]).tolist() == [[1.0, 0.0]]
    assert fresh.tolist() == [[0.0, 0.0]]


# Reading files.


def test_where_a_state_dict_can_be():
    state = {"a": torch.zeros(1)}
    assert find_state_dict(state) == state
    assert find_state_dict({"model": {"ema_state_dict": state}}) == state
    assert find_state_dict({"epoch": 1}) is None
    assert find_state_dict([state]) is None


def test_a_file_without_weights_names_what_it_holds(saved):
    with pytest.raises(WeightsError, match=r"holds no state dict \(it holds: epoch, loss\)"):
        weights.load_state_dict_file(saved({"epoch": 3, "loss": 0.5}))


class Harmful:
    def __reduce__(self):
        return print, ("code was run",)


def test_code_in_a_file_is_not_run(tmp_path, capsys):
    torch.save({"state_dict": Harmful()}, tmp_path / "w.pt")
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(Harmful(), protocol=2))
    for name in ("w.pt", "w.pkl"):
        with pytest.raises(WeightsError, match="which could run code"):
            weights.load_state_dict_file(tmp_path / name)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_truncated_file_is_named(tmp_path, name):
    path = tmp_path / name
    state = {"a": torch.zeros(1000)}
    torch.save(state, path) if name == "w.pt" else save_file(state, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(WeightsError, match=f"{name}'.*"):
        weights.load_state_dict_file(path)


@pytest.mark.parametrize("text", ["trainer:\n  max_epochs: 1\n", "{}", "", "0.1 0.2"])
def test_text_is_no_weight_file(text, tmp_path):
    path = tmp_path / "config.pt"
    path.write_text(text)
    with pytest.raises(WeightsError, match=r"config\.pt'.*does not start like a file of torch"):
        weights.load_state_dict_file(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"ckpt_path '.*none.pt': does not exist"):
        prithvi_eo_tiny(ckpt_path=tmp_path / "none.pt")
    with pytest.raises(MissingFileError, match="is a folder"):
        prithvi_eo_tiny(ckpt_path=tmp_path)


def test_loading_is_strict(caplog):
    model = nn.Linear(2, 3)
    state = model.state_dict()
    with pytest.raises(
        WeightsError, match=r"'x': do not fit Linear: 1 missing \(bias\); 1 unexpec"
    ):
        weights.load_strictly(model, {"weight": state["weight"], "c": state["bias"]}, "x")
    with caplog.at_level(logging.INFO):
        weights.load_strictly(model, {"weight": torch.ones(3, 2)}, "x", optional=["bias"])
    assert (model.weight == 1).all()
    assert "Loaded 1 tensors from x" in caplog.text


# Downloads.


def test_offline_says_at_once_what_to_download(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="there is no network") as raised:
        prithvi_eo_v1_100(pretrained=True, **TINY)
    message = str(raised.value)
    assert "Prithvi-EO-1.0-100M/resolve/main/Prithvi_EO_V1_100M.pt" in message
    assert "backbone_ckpt_path" in message


def test_a_server_that_cannot_be_reached_is_not_waited_for(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise OSError

    monkeypatch.setattr(hub.urllib.request, "getproxies", dict)
    monkeypatch.setattr(hub.socket, "create_connection", refuse)
    with pytest.raises(WeightsError, match="there is no network"):
        hub.hub_file("someone/no-such-model", "w.pt")


def test_published_weights_come_through_the_hub(monkeypatch, saved):
    model = prithvi_eo_v1_100_mae(**TINY_MAE)
    path = saved(without_prefixes(model.state_dict()))
    asked = []
    monkeypatch.setattr(source, "hub_file", lambda *arguments: asked.append(arguments) or path)
    encoder = prithvi_eo_v1_100(True, **TINY)
    assert asked == [("ibm-nasa-geospatial/Prithvi-EO-1.0-100M", "Prithvi_EO_V1_100M.pt", None)]
    assert_same(encoder, model.encoder.state_dict())


def test_a_model_without_published_weights_says_so():
    with pytest.raises(WeightsError, match="'prithvi_eo_tiny' with pretrained=True: it has no pub"):
        prithvi_eo_tiny(pretrained=True)


def test_checksums_are_checked(saved):
    path = saved({"a": torch.zeros(1)})
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    files.verify_sha256(path, right)
    with pytest.raises(WeightsError, match=f"its sha256 is {right}, not 00"):
        files.verify_sha256(path, "00")


def test_prithvi_bands_are_those_of_the_rows():
    assert prithvi_eo_tiny().model_bands == PRITHVI_BANDS
