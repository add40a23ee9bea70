"""`python -m terratorch`."""

from terratorch.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
