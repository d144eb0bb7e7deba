"""Who may do what: the tasks' roles and policies, and the two roles that Sundog assumes."""

from __future__ import annotations

import json

from . import configuration, messaging, storage
from .account import SECOND_REGION, Account, tags

PATH = "/shop/"
STOREFRONT_ROLE = "shop-storefront-task"
WORKER_ROLE = "shop-worker-task"
EXECUTION_ROLE = "shop-execution"
DATA_POLICY = "shop-data-access"

# What reading the account and sampling its data needs. sqs:ReceiveMessage is not among it: it hides messages.
READ = (
    "dynamodb:Describe*",
    "dynamodb:List*",
    "dynamodb:Scan",
    "ecs:Describe*",
    "ecs:List*",
    "iam:Get*",
    "iam:List*",
    "logs:Describe*",
    "logs:List*",
    "rds:Describe*",
    "rds:List*",
    "s3:Get*",
    "s3:List*",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:GetSecretValue",
    "secretsmanager:List*",
    "sns:Get*",
    "sns:List*",
    "sqs:Get*",
    "sqs:List*",
    "ssm:Describe*",
    "ssm:Get*",
    "ssm:List*",
)


def make_task_roles(account: Account, values: dict[str, str]) -> dict[str, str]:
    """Makes the roles that the tasks run with and returns name -> ARN."""
    iam = account.client("iam")
    arns = {}
    for name, tier in ((STOREFRONT_ROLE, "web"), (WORKER_ROLE, "worker"), (EXECUTION_ROLE, "platform")):
        arns[name] = iam.create_role(
            RoleName=name,
            Path=PATH,
            AssumeRolePolicyDocument=json.dumps(trust({"Service": "ecs-tasks.amazonaws.com"})),
            Description=f"{name} of the shop",
            Tags=tags(tier),
        )["Role"]["Arn"]
    policy = iam.create_policy(
        PolicyName=DATA_POLICY,
        Path=PATH,
        PolicyDocument=json.dumps(data_access(account)),
        Description="The shop's own data",
        Tags=tags("data"),
    )["Policy"]["Arn"]
    for role in (STOREFRONT_ROLE, WORKER_ROLE):
        iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    iam.put_role_policy(
        RoleName=WORKER_ROLE, PolicyName="messaging", PolicyDocument=json.dumps(worker_messaging(account))
    )
    iam.put_role_policy(
        RoleName=EXECUTION_ROLE,
        PolicyName="start-containers",
        PolicyDocument=json.dumps(start_containers(account, values)),
    )
    return arns


def make_sundog_roles(production: Account, sandbox: Account) -> None:
    """Makes the role that reads production and the role that writes the sandbox."""
    for account, name, statement in (
        (production, "sundog-read", allow(*READ, resources=["*"])),
        (sandbox, "sundog-write", allow("*", resources=["*"])),
    ):
        iam = account.client("iam")
        iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(trust({"AWS": f"arn:aws:iam::{account.account_id}:root"})),
            Description="Assumed by Sundog",
            Tags=[{"Key": "app", "Value": "sundog"}],
        )
        iam.put_role_policy(
            RoleName=name,
            PolicyName="sundog",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )


def trust(principal: dict[str, str]) -> dict[str, object]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
    }


def allow(*actions: str, resources: list[str]) -> dict[str, object]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def data_access(account: Account) -> dict[str, object]:
    arns = storage.arns(account)
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow(
                "dynamodb:GetItem",
                "dynamodb:UpdateItem",
                "dynamodb:Query",
                "dynamodb:Scan",
                resources=[arns["table"], arns["table"] + "/index/*"],
            ),
            allow("s3:GetObject", "s3:PutObject", resources=[arns["receipts"] + "/*"]),
            allow("s3:ListBucket", resources=[arns["receipts"]]),
            allow("s3:GetObject", resources=[arns["reference"] + "/*"]),
            allow("sqs:SendMessage", resources=[messaging.queue_arn(account, messaging.ORDERS)]),
        ],
    }


def worker_messaging(account: Account) -> dict[str, object]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow(
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                resources=[messaging.queue_arn(account, messaging.ORDERS)],
            ),
            allow(
                "sqs:SendMessage",
                "sqs:GetQueueUrl",
                resources=[
                    messaging.queue_arn(account, messaging.INVOICES),
                    messaging.queue_arn(account, messaging.ARCHIVE, SECOND_REGION),
                ],
            ),
            allow("sns:Publish", resources=[messaging.topic_arn(account)]),
        ],
    }


def start_containers(account: Account, values: dict[str, str]) -> dict[str, object]:
    named = sorted(arn for name, arn in values.items() if name != configuration.BANNER_PARAMETER)
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow(
                "secretsmanager:GetSecretValue",
                "ssm:GetParameters",
                resources=named,
            ),
            allow(
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                resources=[
                    account.arn("logs", "log-group:/ecs/shop/storefront:*"),
                    account.arn("logs", "log-group:/ecs/shop/worker:*"),
                ],
            ),
        ],
    }
