"""``python -m upperbodyseg``: the command line."""

from upperbodyseg.cli import main

raise SystemExit(main())
