"""Twenty bad versions and twenty good ones before the canary that compares and before alarms, on the same traffic.

    .venv/bin/python benchmarks/canary.py              # print the table
    .venv/bin/python benchmarks/canary.py --write      # and write it into docs/guides/comparing-canary.md
    .venv/bin/python benchmarks/canary.py --seed 7     # other versions

The pipeline's own functions judge and move traffic, as their packages have them, in the order of the state machine's
states. They read the local cloud's metrics and alarms, by its own statistics. Only traffic and time are made
(`canary_world.py`). Nothing of a version is known to the judge but CloudWatch's numbers.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import re
import sys
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT), str(ROOT / "tests" / "unit")]

from canary_world import BAD, GOOD, Service, World, services  # noqa: E402
from fakes.pipeline import EXECUTION, Context, FakeAws, release, target  # noqa: E402

from localcloud.services.cloudwatch.model import ALARM  # noqa: E402
from stepladder.promotion.own_shift import pause_seconds, shift_input  # noqa: E402
from stepladder.settings.canary import CanarySettings  # noqa: E402
from stepladder.settings.promotion import PromotionSettings, RungPolicy  # noqa: E402
from stepladder.settings.shift import Shift  # noqa: E402
from stepladder.terraform import function_packages  # noqa: E402

GUIDE = ROOT / "docs" / "guides" / "comparing-canary.md"
SEED = 20261126
CAUGHT = 18
WIDTHS, MINUTES, BAKE = (1, 5, 25, 100), 10, 15


@dataclass
class Ended:
    """How a shift ended: promoted, or rolled back for a reason, after so many minutes."""

    how: str
    why: str = ""
    minutes: float = 0.0
    hurt: int = 0


class Canary:
    """The pipeline's functions, out of their packages, on an AWS whose metrics and alarms are a world's."""

    def __init__(self, folder: Path) -> None:
        for package in function_packages.build_all():
            zipfile.ZipFile(io.BytesIO(package.data)).extractall(folder)
        sys.path.insert(0, str(folder))
        os.environ["LEDGER_TABLE"] = "orders-releases"
        self.aws = importlib.import_module("shared.aws")
        self.verify, self.rollback = importlib.import_module("verify"), importlib.import_module("rollback")
        canary = CanarySettings(compare=True)
        policy = RungPolicy(Shift.by_widths(WIDTHS, [MINUTES] * 3), BAKE, canary=canary)
        settings = PromotionSettings()
        pause = pause_seconds(policy, 1)
        self.target = target(shift=shift_input(policy, settings, pause), poll_seconds=pause)

    def shift(self, world: World) -> Ended:
        """Go through the states of a shift: MoveTraffic, WaitToJudge, JudgeShift, and what WhichMove decides."""
        fake = FakeAws()
        fake.cloudwatch = world  # type: ignore[assignment]
        self.aws.client = fake.client
        fake.dynamodb.put("env#production", "lock", run_id=EXECUTION, previous_version="7")
        shifted: dict[str, Any] = {"step": 0, "polls": 0, "began": "", "moved": "", "questioned": "", "wait": 0}
        shifted |= {"move": "widen", "why": "", "moves": []}
        try:
            while shifted["move"] != "verify":
                if shifted["move"] == "widen":
                    shifted = self._call(self.rollback, "shift", shifted, world)
                    world.widen(WIDTHS[shifted["step"]])
                world.run(world.clock.time + shifted["wait"])
                shifted = self._call(self.verify, "judge", shifted, world)
        except Exception as error:  # noqa: BLE001 - what the state machine catches
            return Ended(type(error).__name__, str(error), world.minutes, world.hurt)
        return Ended("promoted", "", world.minutes, world.hurt)

    def _call(self, function: Any, action: str, shifted: dict[str, Any], world: World) -> dict[str, Any]:
        event = {"action": action, "execution_arn": EXECUTION, "release": release(smoke_key=""), "version": "8"}
        event |= {"previous_version": "7", "target": self.target, "shifted": shifted, "at": world.now().isoformat()}
        answer: dict[str, Any] = function.handler(event, Context())
        return answer


def alarms_alone(world: World, steps: tuple[tuple[int, int], ...]) -> Ended:
    """Shift by CodeDeploy's rules: steps by time, rolled back when an alarm fires; then watch for the bake."""
    for percent, minutes in steps:
        world.widen(percent)
        until = world.clock.time + (minutes or BAKE) * 60
        while world.clock.time < until:
            world.run(min(until, world.clock.time + 15))
            fires = [alarm for alarm in world.alarms if alarm.state == ALARM]
            if fires:
                return Ended("alarm", fires[0].name, world.minutes, world.hurt)
    return Ended("promoted", "", world.minutes, world.hurt)


ALARMS_ALONE = {
    "10% for 5 minutes": ((10, 5), (100, 0)),  # what a project has by default
    "the same widths": (*((width, MINUTES) for width in WIDTHS[:-1]), (100, 0)),
}


def run(seed: int) -> list[tuple[Service, Ended, Ended, Ended]]:
    """Send every version's traffic through the canary, and through alarms alone in two shapes."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        canary = Canary(Path(folder))
        for service in services(seed):
            worlds = [World(service, f"{seed}-{service.number}") for _ in range(3)]
            compared = canary.shift(worlds[0])
            one, other = (
                alarms_alone(world, steps) for world, steps in zip(worlds[1:], ALARMS_ALONE.values(), strict=True)
            )
            rows.append((service, compared, one, other))
            ends = f"{compared.how:<24} {one.how:<9} {other.how:<9}"
            print(
                f"{service.number:>2} {service.kind:<21} {ends} {compared.minutes:3.0f} min  {compared.why}", flush=True
            )
    return rows


def table(rows: list[tuple[Service, Ended, Ended, Ended]], seed: int, day: str) -> str:
    """Return the table for the guide."""
    columns = ("versions", "stopped by the canary that compares", *(f"by alarms alone, {way}" for way in ALARMS_ALONE))
    shape = f"the widths 1, 5, 25 and 100, for {MINUTES} minutes each, and {BAKE} minutes of bake"
    lines = [f"Seed {seed}, {day}. The canary that compares has {shape}.\n"]
    lines += [f"| {' | '.join(columns)} |", "|---|---|---|---|"]
    for kinds, word in ((BAD, "bad"), (GOOD, "good")):
        for kind in (*kinds, ""):
            some = [row for row in rows if row[0].kind == kind or (not kind and row[0].kind in kinds)]
            stopped = [f"{sum(row[each].how != 'promoted' for row in some)} of {len(some)}" for each in (1, 2, 3)]
            name = f"{word}: {kind}" if kind else f"**all {len(some)} {word} ones**"
            lines.append(f"| {name} | {' | '.join(stopped)} |")
    hurt = [sum(row[each].hurt for row in rows if row[0].kind in BAD) for each in (1, 2, 3)]
    lines.append(f"| errors that callers of bad versions got | {' | '.join(f'{each:,}' for each in hurt)} |")
    how = Counter(row[1].how for row in rows if row[0].kind in BAD)
    named = ", ".join(f"`{name}` ({count})" for name, count in how.most_common())
    lines += ["", f"How the canary ended the bad ones: {named}."]
    return "\n".join(lines)


def write(text: str) -> None:
    """Put the table between the guide's marks."""
    page = GUIDE.read_text("utf-8")
    begin, end = "<!-- made by `python benchmarks/canary.py --write` -->\n", "<!-- end -->"
    page = re.sub(
        f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n\n{end}", page, flags=re.DOTALL
    )
    GUIDE.write_text(page, "utf-8")


def main() -> int:
    """Run the experiment; exit code 1 when a goal is missed."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--seed", type=int, default=SEED)
    given.add_argument("--write", action="store_true", help="write the table into the guide")
    options = given.parse_args()
    rows = run(options.seed)
    text = table(rows, options.seed, datetime.now(UTC).date().isoformat())
    print(f"\n{text}")
    if options.write:
        write(text)
    caught = sum(row[1].how != "promoted" for row in rows if row[0].kind in BAD)
    stopped = sum(row[1].how != "promoted" for row in rows if row[0].kind in GOOD)
    print(f"\n{caught} of 20 bad versions caught (goal: {CAUGHT}), {stopped} of 20 good ones stopped (goal: at most 1)")
    return int(caught < CAUGHT or stopped > 1)


if __name__ == "__main__":
    sys.exit(main())
