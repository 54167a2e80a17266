"""EFFECT. `python -m stage0` is the command `pod`."""

import sys

from stage0.cli import main

if __name__ == "__main__":
    sys.exit(main())
