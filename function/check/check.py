"""Check: run a project's own check of an answer, with a role that may do nothing but write its log.

Verify sends it the check's source and the answer. The check runs in a process of its own, which ends with it.
"""

from __future__ import annotations

from stepladder.promotion.contract import Context
from stepladder.promotion.requests.check import CheckAnswerRequest, CheckAnswerResponse
from stepladder.releases import smoke_check


def handler(request: CheckAnswerRequest, _context: Context) -> CheckAnswerResponse:
    """Run one check; return a line for each problem."""
    check = smoke_check.OwnCheck(request["file"], request["function"], request["source"])
    return {"problems": smoke_check.run(check, request["answer"], request["captured"])}
