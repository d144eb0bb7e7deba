"""Waits until the account stands still: only then can its state be compared with what it is later."""

from __future__ import annotations

import json
import time
from typing import Any

from . import containers, messaging, storage
from .account import SECOND_REGION, Account

# Fields that tell the time of the reading, not a state of what is read.
READ_CLOCK = frozenset({"LatestRestorableTime"})


def wait(account: Account, timeout: float = 60) -> None:
    """Returns when everything is available and two readings, half a second apart, are equal."""
    deadline = time.monotonic() + timeout
    before = None
    while True:
        reading = read(account)
        moving = unsettled(reading)
        now = json.dumps(without_clock(reading), sort_keys=True, default=str)
        if not moving and now == before:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"production did not settle in {timeout:.0f} s: {moving or 'two readings still differ'}")
        before = now
        time.sleep(0.5)


def unsettled(reading: dict[str, Any]) -> str:
    """Says what is not available yet, or nothing."""
    for instance in reading["databases"]:
        if instance["DBInstanceStatus"] != "available":
            return f"database {instance['DBInstanceIdentifier']} is {instance['DBInstanceStatus']}"
    if reading["table"]["TableStatus"] != "ACTIVE":
        return f"table {storage.TABLE} is {reading['table']['TableStatus']}"
    if reading["table"]["ItemCount"] < storage.ITEM_COUNT:
        return f"table {storage.TABLE} shows {reading['table']['ItemCount']} items"
    for service in reading["services"]:
        if service["status"] != "ACTIVE":
            return f"service {service['serviceName']} is {service['status']}"
    return ""


def read(account: Account) -> dict[str, Any]:
    sqs = [account.client("sqs"), account.client("sqs", SECOND_REGION)]
    ecs = account.client("ecs")
    return {
        "databases": account.client("rds").describe_db_instances()["DBInstances"],
        "table": account.client("dynamodb").describe_table(TableName=storage.TABLE)["Table"],
        "objects": count_objects(account),
        "queues": [
            (url, client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"])
            for client in sqs
            for url in client.list_queues(MaxResults=1000).get("QueueUrls", [])
        ],
        "subscriptions": account.client("sns").list_subscriptions_by_topic(TopicArn=messaging.topic_arn(account))[
            "Subscriptions"
        ],
        "clusters": ecs.describe_clusters(clusters=[containers.CLUSTER])["clusters"],
        "services": ecs.describe_services(cluster=containers.CLUSTER, services=list(containers.IMAGES))["services"],
    }


def without_clock(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_clock(item) for key, item in value.items() if key not in READ_CLOCK}
    if isinstance(value, list | tuple):
        return [without_clock(item) for item in value]
    return value


def count_objects(account: Account) -> int:
    pages = account.client("s3").get_paginator("list_objects_v2").paginate(Bucket=storage.RECEIPTS_BUCKET)
    return sum(page["KeyCount"] for page in pages)
