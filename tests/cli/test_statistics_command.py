"""`terratorch compute_statistics`."""

import yaml
from cli_config import write_config

from terratorch.cli.main import main


def test_statistics_are_printed_and_written_ready_to_paste(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # Neither a model nor its weights are needed.
    changes = {"model": None, "trainer": None, "data.init_args.means": None}
    changes["data.init_args.stds"] = None
    path = write_config(tmp_path / "c.yaml", config, changes)
    assert main(["compute_statistics", "-c", path]) == 0
    shown = capsys.readouterr()
    assert (tmp_path / "statistics.yaml").read_text() == shown.out
    assert f"Written to {tmp_path / 'statistics.yaml'} (--output changes" in shown.err
    statistics = yaml.safe_load(shown.out)
    assert len(statistics["means"]) == len(statistics["stds"]) == 6
    pasted = write_config(
        tmp_path / "d.yaml",
        config,
        {f"data.init_args.{name}": values for name, values in statistics.items()},
    )
    assert main(["fit", "-c", pasted, "--trainer.fast_dev_run", "1"]) == 0


def test_ids_that_are_no_class_are_marked(config, tmp_path, capsys):
    path = write_config(tmp_path / "c.yaml", config, {"data.init_args.num_classes": 2})
    output = str(tmp_path / "s.yaml")
    assert main(["compute_statistics", "-c", path, "--output", output]) == 0
    assert "# Not a class with num_classes 2: 2. Such labels" in capsys.readouterr().out


def test_the_model_is_not_looked_at_and_the_output_can_be_named(config, tmp_path):
    changes = {"model.init_args.model_args": {"backbone": "not_there"}}
    path = write_config(tmp_path / "c.yaml", config, changes)
    output = tmp_path / "mine.yaml"
    assert main(["compute_statistics", "-c", path, "--output", str(output)]) == 0
    assert "means" in yaml.safe_load(output.read_text())


def test_without_data_it_says_so(config, tmp_path, capsys):
    path = write_config(tmp_path / "c.yaml", config, {"data": None})
    assert main(["compute_statistics", "-c", path]) == 2
    assert f"section 'data' of {path}: is missing" in capsys.readouterr().err
