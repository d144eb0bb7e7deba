#!/usr/bin/env python3
"""Makes the production account that this example forks.

It stands for infrastructure that a company has had for years: nothing of Sundog's is in it other than the two roles
that Sundog assumes. Run it once against an empty endpoint; run it again and it says that everything is there already.

    seed.py --endpoint-url http://127.0.0.1:5000           make the account and wait until it stands still
    seed.py --endpoint-url http://127.0.0.1:5000 --drift   change it as a colleague would on a Tuesday
"""

from __future__ import annotations

import argparse
import sys
import time

from botocore.exceptions import BotoCoreError, ClientError

from production import configuration, containers, drift, identity, messaging, settle, storage
from production.account import PRODUCTION, SANDBOX, Account


def main() -> int:
    arguments = parse()
    production = Account.assume(PRODUCTION, "company-admin", arguments.endpoint_url)
    if arguments.drift:
        for change in drift.apply(production):
            print(f"production: {change}")
        settle.wait(production)
        return 0
    if containers.exist(production):
        print("production: everything is there already")
        return 0
    if storage.exist(production):
        print(
            "error: production is half made: an earlier run was interrupted. Start the AWS endpoint afresh (moto keeps"
            " everything in memory) and run this again.",
            file=sys.stderr,
        )
        return 1
    started = time.monotonic()
    make(production, Account.assume(SANDBOX, "company-admin", arguments.endpoint_url))
    print(f"production: made and settled in {time.monotonic() - started:.1f} s")
    return 0


def make(production: Account, sandbox: Account) -> None:
    """Makes everything in the order in which one resource needs another's identifiers."""
    database = storage.make_database(production)
    storage.make_table(production)
    storage.make_buckets(production)
    queues = messaging.make_queues(production)
    messaging.make_topic(production)
    values = configuration.make(production, database)
    roles = identity.make_task_roles(production, values)
    identity.make_sundog_roles(production, sandbox)
    containers.make(production, database, queues, values, roles)
    settle.wait(production)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint-url", required=True, help="where the AWS API (moto's server) answers")
    parser.add_argument("--drift", action="store_true", help="change the account instead of making it")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ClientError, BotoCoreError, TimeoutError) as error:
        print(f"error: cannot make the production account: {error}", file=sys.stderr)
        sys.exit(1)
