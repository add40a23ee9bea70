"""Passwords and tokens are not part of a report."""

from terratorch.evaluation.redaction import command_of, without_secrets


def test_secrets_of_the_command_are_not_shown():
    given = ["/bin/terratorch", "test", "--trainer.logger.init_args.api_key", "Xy9", "-c", "c.yaml"]
    assert command_of([*given, "--db_password=Q1"]) == (
        "terratorch test --trainer.logger.init_args.api_key (not shown) -c c.yaml "
        "--db_password=(not shown)"
    )


def test_secrets_are_not_shown():
    text = "trainer:\n  logger:\n    api_key: abc\n    hub_token: 'x y'\n    token_size: null\n"
    shown = without_secrets(text)
    assert "abc" not in shown
    assert "x y" not in shown
    assert "    api_key: (not shown)\n" in shown
