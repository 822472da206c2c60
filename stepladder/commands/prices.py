"""What the foundation costs in a month: AWS's prices, in this one place, with their date and source.

Prices of us-east-1 in US dollars, without free tiers and taxes. Other regions have others. They were noted from what is
published of these pages, and serve for an estimate: a bill says more.
"""

from __future__ import annotations

from dataclasses import dataclass

from stepladder.core.names import Names

NOTED_ON = "2026-11-26"
SOURCES = (
    "https://aws.amazon.com/s3/pricing/",
    "https://aws.amazon.com/ecr/pricing/",
    "https://aws.amazon.com/dynamodb/pricing/on-demand/",
)
S3_GB_MONTH = 0.023
ECR_GB_MONTH = 0.10
DYNAMODB_GB_MONTH = 0.25
DYNAMODB_BACKUP_GB_MONTH = 0.20
"""Of point-in-time recovery."""
DYNAMODB_MILLION_READS, DYNAMODB_MILLION_WRITES = 0.125, 0.625
_CENT = 0.005


@dataclass(frozen=True)
class CostRow:
    """One thing that is made: what, its name, what the price is reckoned for, dollars a month."""

    what: str
    name: str
    use: str
    dollars: float

    @property
    def price(self) -> str:
        """The price for a person."""
        return amount(self.dollars)


def amount(dollars: float) -> str:
    """Return an amount of dollars: `free`, `< $0.01`, `$0.15`."""
    if not dollars:
        return "free"
    return f"${dollars:.2f}" if dollars >= _CENT else "< $0.01"


def ledger() -> float:
    """Return what the ledger costs for a project that releases a few times a day."""
    kept = 0.001 * (DYNAMODB_GB_MONTH + DYNAMODB_BACKUP_GB_MONTH)
    return kept + 0.02 * DYNAMODB_MILLION_READS + 0.005 * DYNAMODB_MILLION_WRITES


def foundation(names: Names, *, roles: int, providers: int) -> list[CostRow]:
    """Return what a foundation makes, and what that costs for a project that releases a few times a day."""
    rows = [
        CostRow("S3 bucket of Terraform's states", names.state_bucket, "10 MB", 0.01 * S3_GB_MONTH),
        CostRow("S3 bucket of plans and packages", names.artifacts_bucket, "100 MB", 0.1 * S3_GB_MONTH),
        CostRow("ECR repository of images", names.repository, "10 images of 150 MB", 1.5 * ECR_GB_MONTH),
        CostRow("DynamoDB table, the ledger", names.ledger_table, "20,000 reads, 5,000 writes, 1 MB", ledger()),
    ]
    if providers:
        rows.append(CostRow("IAM identity providers", f"{providers}", "", 0))
    if roles:
        rows.append(CostRow("IAM roles of CI jobs", f"{roles}", "", 0))
    return rows
