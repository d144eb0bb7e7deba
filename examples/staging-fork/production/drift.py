"""What a colleague changes in production while a fork of it is running."""

from __future__ import annotations

from .account import Account, tag_map
from .storage import RECEIPTS_BUCKET

QUEUE = "returns"


def apply(account: Account) -> list[str]:
    """Adds a queue and changes one setting of a bucket; says what it did. Again: it changes nothing more."""
    account.client("sqs").create_queue(
        QueueName=QUEUE, Attributes={"VisibilityTimeout": "60"}, tags=tag_map("messaging")
    )
    account.client("s3").put_bucket_versioning(Bucket=RECEIPTS_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return [f"added the queue {QUEUE}", f"switched versioning on in the bucket {RECEIPTS_BUCKET}"]
