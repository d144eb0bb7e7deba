"""What the shop's containers are told at start: secrets and parameters."""

from __future__ import annotations

import json
import secrets

from .account import REGION, Account, tags
from .messaging import ORDERS
from .storage import Database

DATABASE_SECRET = "shop/orders-db"
PAYMENT_SECRET = "shop/payment-api-key"
QUEUE_PARAMETER = "/shop/orders/queue-url"
SIGNING_PARAMETER = "/shop/storefront/receipt-signing-key"
BANNER_PARAMETER = "/shop/storefront/banner"


def make(account: Account, database: Database) -> dict[str, str]:
    """Makes secrets and parameters and returns name -> ARN. A secret's ARN ends in six random characters."""
    arns = {}
    manager = account.client("secretsmanager")
    login = {
        "engine": "postgres",
        "host": database.host,
        "port": database.port,
        "username": database.user,
        "password": database.password,
        "dbname": database.name,
    }
    arns[DATABASE_SECRET] = manager.create_secret(
        Name=DATABASE_SECRET,
        Description="Login of the orders database",
        SecretString=json.dumps(login),
        Tags=tags("data"),
    )["ARN"]
    arns[PAYMENT_SECRET] = manager.create_secret(
        Name=PAYMENT_SECRET,
        Description="Charges real cards at the payment provider",
        SecretString="live-" + secrets.token_hex(20),
        Tags=tags("web"),
    )["ARN"]

    parameters = [
        # Spelled as AWS spells it, although the API at hand spells its queues' URLs otherwise: people copy such values
        # from one place to another, and every spelling means the same queue.
        (QUEUE_PARAMETER, "String", f"https://sqs.{REGION}.amazonaws.com/{account.account_id}/{ORDERS}"),
        (SIGNING_PARAMETER, "SecureString", secrets.token_hex(32)),
        (BANNER_PARAMETER, "String", "Free shipping until Sunday"),
    ]
    ssm = account.client("ssm")
    for name, kind, value in parameters:
        ssm.put_parameter(Name=name, Type=kind, Value=value, Tags=tags("web"))
        arns[name] = account.arn("ssm", f"parameter{name}")
    return arns
