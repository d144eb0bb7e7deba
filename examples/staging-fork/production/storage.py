"""Where the shop keeps its data: a PostgreSQL instance, a table, and two buckets."""

from __future__ import annotations

import json
import random
import secrets
from dataclasses import dataclass

from .account import REGION, Account, tags

DATABASE = "orders-db"
TABLE = "orders"
RECEIPTS_BUCKET = "shop-receipts-111111111111"
REFERENCE_BUCKET = "reference-data-shop"

ITEM_COUNT = 1000
OBJECT_COUNT = 200

# What the shop sells, with the price in cents.
PRICES = {
    "anorak": 12900,
    "beanie": 1900,
    "bivouac": 18900,
    "compass": 3400,
    "gaiters": 4200,
    "headlamp": 5900,
    "mug": 1200,
    "poles": 7900,
    "rope": 9900,
    "rucksack": 14900,
    "stove": 6900,
    "tent": 32900,
}


@dataclass(frozen=True)
class Database:
    """How applications reach the database."""

    host: str
    port: int
    name: str
    user: str
    password: str

    def url(self) -> str:
        return f"postgres://{self.user}:{self.password}@{self.host}:{self.port}/{self.name}?sslmode=prefer"


def exist(account: Account) -> bool:
    """Whether the part that is made first is there."""
    return bool(account.client("rds").describe_db_instances()["DBInstances"])


def make_database(account: Account) -> Database:
    rds = account.client("rds")
    # URL-safe on purpose: the password also stands in a connection string.
    password = secrets.token_urlsafe(24)
    rds.create_db_instance(
        DBInstanceIdentifier=DATABASE,
        DBName="orders",
        Engine="postgres",
        EngineVersion="15.7",
        DBInstanceClass="db.t4g.medium",
        AllocatedStorage=20,
        StorageType="gp3",
        MasterUsername="shop",
        MasterUserPassword=password,
        BackupRetentionPeriod=7,
        Tags=tags("data"),
    )
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier=DATABASE, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    instance = rds.describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"][0]
    endpoint = instance["Endpoint"]
    return Database(endpoint["Address"], endpoint["Port"], "orders", "shop", password)


def make_table(account: Account) -> None:
    dynamodb = account.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "order_id", "AttributeType": "S"},
            {"AttributeName": "item", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-item",
                "KeySchema": [{"AttributeName": "item", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        Tags=tags("data"),
    )
    dynamodb.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    requests = [{"PutRequest": {"Item": item}} for item in items()]
    for start in range(0, len(requests), 25):
        pending = {TABLE: requests[start : start + 25]}
        while pending:
            pending = dynamodb.batch_write_item(RequestItems=pending)["UnprocessedItems"]


def items() -> list[dict[str, dict[str, str]]]:
    """The same orders at every run: a few hundred customers who come back, so that items go together."""
    chance = random.Random(20240229)
    names = sorted(PRICES)
    found = []
    for number in range(1, ITEM_COUNT + 1):
        customer = chance.randrange(300)
        # Customers have a taste: most of their orders come from four neighbouring items.
        item = names[(customer + chance.randrange(4)) % len(names)]
        found.append(
            {
                "order_id": {"S": f"P-{number:06d}"},
                "item": {"S": item},
                "quantity": {"N": str(chance.randint(1, 5))},
                "email": {"S": f"customer{customer:03d}@example.com"},
                "status": {"S": chance.choice(["processed", "processed", "processed", "returned"])},
                "placed_on": {"S": f"2024-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"},
            }
        )
    return found


def make_buckets(account: Account) -> None:
    s3 = account.client("s3")
    for bucket, tier in ((RECEIPTS_BUCKET, "data"), (REFERENCE_BUCKET, "reference")):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags(tier)})
    s3.put_bucket_encryption(
        Bucket=RECEIPTS_BUCKET,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    s3.put_bucket_lifecycle_configuration(
        Bucket=RECEIPTS_BUCKET,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "old-receipts",
                    "Status": "Enabled",
                    "Filter": {"Prefix": "receipts/"},
                    "Expiration": {"Days": 3650},
                }
            ]
        },
    )
    for item in items()[:OBJECT_COUNT]:
        identifier = item["order_id"]["S"]
        receipt = {"id": identifier, "item": item["item"]["S"], "quantity": int(item["quantity"]["N"])}
        s3.put_object(
            Bucket=RECEIPTS_BUCKET,
            Key=f"receipts/{identifier}.json",
            Body=json.dumps(receipt).encode(),
            ContentType="application/json",
            Metadata={"source": "storefront"},
        )
    s3.put_object(
        Bucket=REFERENCE_BUCKET,
        Key="prices.json",
        Body=json.dumps(PRICES, sort_keys=True).encode(),
        ContentType="application/json",
    )


def arns(account: Account) -> dict[str, str]:
    return {
        "table": account.arn("dynamodb", f"table/{TABLE}"),
        "receipts": f"arn:aws:s3:::{RECEIPTS_BUCKET}",
        "reference": f"arn:aws:s3:::{REFERENCE_BUCKET}",
    }
