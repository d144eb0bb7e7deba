#!/usr/bin/env python3
"""Dumps, compares and counts what an AWS account holds, through the API, independently of Sundog.

    account_dump.py dump    --endpoint URL --account ID --regions a,b [--output FILE]
    account_dump.py compare BEFORE AFTER
    account_dump.py count   --endpoint URL --account ID --regions a,b [--baseline DUMP] [--expect-zero]

dump writes the account's whole state as canonical JSON. compare prints every difference between two dumps, but for the
fields of a fixed list that move by being read, which it prints too, and exits with 1 if there is one. count prints how
many resources of each kind there are beyond what a new account has, or beyond those of a dump made earlier; with
--expect-zero it exits with 1 if there are any.

The account is entered by AssumeRole with --access-key and --secret-key (default: test, test), as --role (default: audit).
No configuration or credentials of the user's are read. Run it with the interpreter that `tools/setup python` prints.
"""

import argparse
import json
import os
import sys

# Before boto3 is imported: nothing of the user's may come into this, a profile or a proxy least of all.
for variable in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[variable]
os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true")

import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402

from account_readers import GENERATED_NAMES, GLOBAL, REGIONAL, plain  # noqa: E402

# Fields that move by reading or by the passing of time alone, as (service, kind, path of the field; * stands for any key or index), and why.
READ_CLOCKS = [
    ("secretsmanager", "secret", "Secret.LastAccessedDate", "set by reading the secret's value"),
    ("secretsmanager", "secret", "Versions.*.LastAccessedDate", "set by reading the version's value"),
    ("secretsmanager", "secret", "Versions.*.CreatedDate", "moto answers with the time of the reading"),
    ("rds", "db-instance", "LatestRestorableTime", "goes with the clock, read or not"),
    ("rds", "db-cluster", "LatestRestorableTime", "goes with the clock, read or not"),
    ("iam", "role", "RoleLastUsed", "set by whoever acts as the role, readers too"),
    ("iam", "user", "PasswordLastUsed", "set by signing in"),
]


def assume(arguments, account):
    """A session inside of the account."""
    base = boto3.session.Session(
        aws_access_key_id=arguments.access_key, aws_secret_access_key=arguments.secret_key, region_name=arguments.regions[0]
    )
    issued = base.client("sts", endpoint_url=arguments.endpoint).assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/{arguments.role}", RoleSessionName="account-dump"
    )["Credentials"]
    session = boto3.session.Session(
        aws_access_key_id=issued["AccessKeyId"],
        aws_secret_access_key=issued["SecretAccessKey"],
        aws_session_token=issued["SessionToken"],
        region_name=arguments.regions[0],
    )
    entered = session.client("sts", endpoint_url=arguments.endpoint).get_caller_identity()["Account"]
    if entered != account:
        sys.exit(f"the credentials belong to account {entered}, not to {account}")
    return session


def read_account(arguments, account):
    """The account's state: { "service/kind/name@region": configuration }, without @region for what is global."""
    session = assume(arguments, account)
    config = Config(retries={"max_attempts": 4}, s3={"addressing_style": "path"})
    state = {}

    def read(service, reader, region, suffix):
        client = session.client(service, endpoint_url=arguments.endpoint, region_name=region, config=config)
        for kind, name, configuration in reader(client):
            key = f"{service}/{kind}/{name}{suffix}"
            if key in state:
                sys.exit(f"two resources are called {key}")
            state[key] = configuration

    for service, reader in GLOBAL.items():
        read(service, reader, arguments.regions[0], "")
    for region in arguments.regions:
        for service, reader in REGIONAL.items():
            read(service, reader, region, f"@{region}")
    return state


def flatten(value, path=()):
    """The leaves of a nested value, by path. Empty lists and objects are leaves."""
    if isinstance(value, dict) and value:
        for key in value:
            yield from flatten(value[key], (*path, str(key)))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from flatten(item, (*path, str(index)))
    else:
        yield path, value


def is_read_clock(service, kind, path):
    """Whether a field is on the list. A listed field covers everything below it."""
    for clock_service, clock_kind, pattern, _ in READ_CLOCKS:
        parts = pattern.split(".")
        if (service, kind) == (clock_service, clock_kind) and len(path) >= len(parts):
            if all(part in ("*", step) for part, step in zip(parts, path)):
                return True
    return False


def differences(before, after):
    """Every difference between two states, and how many fields of the list of read clocks differ."""
    found, ignored = [], 0
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            found.append(f"- {key}: is gone")
            continue
        if key not in before:
            found.append(f"+ {key}: is new")
            continue
        service, kind, _ = key.split("/", 2)
        old, new = dict(flatten(before[key])), dict(flatten(after[key]))
        for path in sorted(old.keys() | new.keys()):
            if path in old and path in new and old[path] == new[path]:
                continue
            if is_read_clock(service, kind, path):
                ignored += 1
                continue
            was, now = (json.dumps(side[path]) if path in side else "(not set)" for side in (old, new))
            found.append(f"~ {key}: {'.'.join(path) or 'the whole'} was {was}, is {now}")
    return found, ignored


def leftovers(state, fresh, account, fresh_account):
    """The names of what an account holds beyond a new one, by (service, kind, region)."""
    def by_kind(of, own_account):
        kinds = {}
        for key in of:
            service, kind, name = key.split("/", 2)
            name, _, region = name.rpartition("@") if service in REGIONAL else (name, "", "global")
            kinds.setdefault((service, kind, region), []).append(name.replace(own_account, "ACCOUNT"))
        return kinds

    normal = by_kind(fresh, fresh_account)
    left = {}
    for place, names in sorted(by_kind(state, account).items()):
        usual = normal.get(place, [])
        if place[0] in GENERATED_NAMES:
            # A new account's own names say nothing here, only how many there are.
            extra = sorted(names)[: max(0, len(names) - len(usual))]
        else:
            extra = sorted(set(names) - set(usual))
        left[place] = extra
    return left


def dump_command(arguments):
    state = read_account(arguments, arguments.account)
    text = json.dumps({"account": arguments.account, "regions": arguments.regions, "resources": state},
                      sort_keys=True, indent=1, default=plain)
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        print(f"account {arguments.account}: {len(state)} resources in {', '.join(arguments.regions)}", file=sys.stderr)
    else:
        print(text)
    return 0


def compare_command(arguments):
    dumps = []
    for path in (arguments.before, arguments.after):
        with open(path, encoding="utf-8") as file:
            dumps.append(json.load(file))
    before, after = dumps
    for field in ("account", "regions"):
        if before[field] != after[field]:
            sys.exit(f"the dumps are of different {field}: {before[field]} and {after[field]}")
    print("ignored, because reading them or the passing of time moves them:")
    for service, kind, path, reason in READ_CLOCKS:
        print(f"  {service}/{kind} {path}: {reason}")
    found, ignored = differences(before["resources"], after["resources"])
    for line in found:
        print(line)
    print(f"account {before['account']}: {len(before['resources'])} resources before, {len(after['resources'])} after, "
          f"{len(found)} differences, {ignored} read clocks moved")
    return 1 if found else 0


def count_command(arguments):
    # An account that nobody has used tells what every account has from the start: a default VPC, default groups.
    fresh_account = "999999999999" if arguments.account != "999999999999" else "888888888888"
    state = read_account(arguments, arguments.account)
    if arguments.baseline:
        with open(arguments.baseline, encoding="utf-8") as file:
            usual = json.load(file)["resources"]
        left = leftovers(state, usual, arguments.account, arguments.account)
    else:
        left = leftovers(state, read_account(arguments, fresh_account), arguments.account, fresh_account)
    total = sum(len(names) for names in left.values())
    for (service, kind, region), names in left.items():
        if names:
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            print(f"  {service}/{kind} in {region}: {len(names)} ({shown})")
    print(f"account {arguments.account}: {total} resources")
    return 1 if arguments.expect_zero and total else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, command in (("dump", dump_command), ("count", count_command)):
        sub = commands.add_parser(name)
        sub.set_defaults(command=command)
        sub.add_argument("--endpoint", required=True)
        sub.add_argument("--account", required=True)
        sub.add_argument("--regions", required=True, type=lambda text: text.split(","))
        sub.add_argument("--role", default="audit")
        sub.add_argument("--access-key", default="test")
        sub.add_argument("--secret-key", default="test")
        if name == "dump":
            sub.add_argument("--output")
        else:
            sub.add_argument("--baseline", help="a dump whose resources do not count, in place of a new account's")
            sub.add_argument("--expect-zero", action="store_true")
    sub = commands.add_parser("compare")
    sub.set_defaults(command=compare_command)
    sub.add_argument("before")
    sub.add_argument("after")
    arguments = parser.parse_args()
    return arguments.command(arguments)


if __name__ == "__main__":
    sys.exit(main())
