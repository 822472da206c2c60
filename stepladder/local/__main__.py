"""`python -m stepladder.local`: run the local cloud in the foreground."""

from __future__ import annotations

import sys

from stepladder.local.server import main

sys.exit(main())
