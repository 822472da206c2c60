"""Finish the project: the Terraform modules, the pin of stepladder, where it came from, `git init` if asked."""

import json
import sys
from pathlib import Path

# Read as JSON, never as Python: an answer is data, whatever it looks like.
GIVEN = json.loads(
    r"""{
        "answers": {{ cookiecutter | tojson }},
        "caller": {{ caller_directory() | tojson }},
        "template": {{ template_directory() | tojson }}
    }"""
)

sys.path.insert(0, GIVEN["template"])
sys.dont_write_bytecode = True

from stepladder_template import finish, source  # noqa: E402 - found through the line above

try:
    origin = source.find(GIVEN["template"], caller=GIVEN["caller"], answers=GIVEN["answers"])
    notes = finish.finish(Path.cwd(), GIVEN["template"], origin, GIVEN["answers"])
except (finish.CannotFinishError, source.UnknownSourceError) as error:
    sys.exit(str(error))
sys.stderr.write("\n".join(notes) + "\n")
