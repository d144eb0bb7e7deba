"""How the shop's parts talk: queues in two regions, and a topic."""

from __future__ import annotations

import json

from .account import REGION, SECOND_REGION, Account, tag_map, tags

ORDERS = "orders"
DEAD_LETTERS = "orders-dlq"
INVOICES = "invoices.fifo"
NIGHTLY = "nightly-report"
ARCHIVE = "orders-archive"
TOPIC = "order-events"
OPERATOR = "operations@example.com"


def queue_arn(account: Account, name: str, region: str = REGION) -> str:
    return account.arn("sqs", name, region)


def topic_arn(account: Account) -> str:
    return account.arn("sns", TOPIC)


def make_queues(account: Account) -> dict[str, str]:
    """Makes the queues and returns their URLs as the API spells them."""
    sqs = account.client("sqs")
    urls = {}
    urls[DEAD_LETTERS] = sqs.create_queue(
        QueueName=DEAD_LETTERS, Attributes={"MessageRetentionPeriod": "1209600"}, tags=tag_map("messaging")
    )["QueueUrl"]
    urls[ORDERS] = sqs.create_queue(
        QueueName=ORDERS,
        Attributes={
            "VisibilityTimeout": "30",
            "ReceiveMessageWaitTimeSeconds": "10",
            "RedrivePolicy": json.dumps(
                {"deadLetterTargetArn": queue_arn(account, DEAD_LETTERS), "maxReceiveCount": 5}
            ),
            "Policy": json.dumps(orders_policy(account)),
        },
        tags=tag_map("messaging"),
    )["QueueUrl"]
    urls[INVOICES] = sqs.create_queue(
        QueueName=INVOICES,
        Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "false"},
        tags=tag_map("messaging"),
    )["QueueUrl"]
    urls[NIGHTLY] = sqs.create_queue(QueueName=NIGHTLY, tags=tag_map("batch"))["QueueUrl"]
    urls[ARCHIVE] = account.client("sqs", SECOND_REGION).create_queue(
        QueueName=ARCHIVE, Attributes={"MessageRetentionPeriod": "604800"}, tags=tag_map("messaging")
    )["QueueUrl"]
    return urls


def orders_policy(account: Account) -> dict[str, object]:
    """The topic may send to the queue."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OrderEvents",
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn(account, ORDERS),
                "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn(account)}},
            }
        ],
    }


def make_topic(account: Account) -> None:
    """Makes the topic with two subscriptions: orders that partners import go to the queue, everything to a person."""
    sns = account.client("sns")
    arn = sns.create_topic(Name=TOPIC, Attributes={"DisplayName": "Shop orders"}, Tags=tags("messaging"))["TopicArn"]
    sns.subscribe(
        TopicArn=arn,
        Protocol="sqs",
        Endpoint=queue_arn(account, ORDERS),
        Attributes={
            "FilterPolicy": json.dumps({"event": ["order_imported"]}),
            "RawMessageDelivery": "true",
        },
        ReturnSubscriptionArn=True,
    )
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint=OPERATOR, ReturnSubscriptionArn=True)
    # The person clicked on the link in the mail; the emulator takes any token.
    sns.confirm_subscription(TopicArn=arn, Token="confirmed-by-operations")
