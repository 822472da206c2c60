"""`python -m localcloud`: run the local cloud in the foreground."""

from __future__ import annotations

import sys

from localcloud.cli import main

sys.exit(main())
