"""Check the answers once more (a replay skips the prompts), and that a project can be finished, before rendering."""

import json
import sys

# Read as JSON, never as Python: an answer is data, whatever it looks like.
GIVEN = json.loads(r"""{"answers": {{ cookiecutter | tojson }}, "template": {{ template_directory() | tojson }}}""")

sys.path.insert(0, GIVEN["template"])
sys.dont_write_bytecode = True

from stepladder_template import answers, finish  # noqa: E402 - found through the line above

if messages := answers.problems(GIVEN["answers"]):
    sys.exit(answers.explain(messages))
try:
    finish.find_modules(GIVEN["template"])
except finish.CannotFinishError as error:
    sys.exit(str(error))
