"""What runs: the cluster, its two services, and the log groups they write to."""

from __future__ import annotations

from . import configuration, identity, messaging, storage
from .account import REGION, SECOND_REGION, Account, tag_map, tags
from .storage import Database

CLUSTER = "shop"
IMAGES = {
    "storefront": "sundog-example/storefront:1.0",
    "worker": "sundog-example/worker:1.0",
}


def exist(account: Account) -> bool:
    """Whether the services, which are made last, are there."""
    ecs = account.client("ecs")
    if not any(arn.endswith(f"/{CLUSTER}") for arn in ecs.list_clusters()["clusterArns"]):
        return False
    found = ecs.describe_services(cluster=CLUSTER, services=list(IMAGES))["services"]
    return len(found) == len(IMAGES)


def make(
    account: Account, database: Database, queues: dict[str, str], values: dict[str, str], roles: dict[str, str]
) -> None:
    logs = account.client("logs")
    for service, days in (("storefront", 14), ("worker", 30)):
        logs.create_log_group(logGroupName=log_group(service), tags=tag_map("platform"))
        logs.put_retention_policy(logGroupName=log_group(service), retentionInDays=days)

    ecs = account.client("ecs")
    ecs.create_cluster(clusterName=CLUSTER, tags=tags("platform", "key", "value"))
    definitions = {
        "storefront": storefront(account, database, queues, values),
        "worker": worker(account, queues, values),
    }
    task_roles = {"storefront": identity.STOREFRONT_ROLE, "worker": identity.WORKER_ROLE}
    network = default_network(account)
    for service, container in definitions.items():
        tier = "web" if service == "storefront" else "worker"
        registered = ecs.register_task_definition(
            family=service,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            taskRoleArn=roles[task_roles[service]],
            executionRoleArn=roles[identity.EXECUTION_ROLE],
            containerDefinitions=[container],
            tags=tags(tier, "key", "value"),
        )["taskDefinition"]["taskDefinitionArn"]
        ecs.create_service(
            cluster=CLUSTER,
            serviceName=service,
            taskDefinition=registered,
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
            tags=tags(tier, "key", "value"),
        )


def default_network(account: Account) -> dict[str, object]:
    """The subnets and the security group that every account has from the start."""
    ec2 = account.client("ec2")
    groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"]
    return {
        "subnets": sorted(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]),
        "securityGroups": sorted(group["GroupId"] for group in groups),
        "assignPublicIp": "DISABLED",
    }


def log_group(service: str) -> str:
    return f"/ecs/shop/{service}"


def storefront(
    account: Account, database: Database, queues: dict[str, str], values: dict[str, str]
) -> dict[str, object]:
    return container(
        "storefront",
        environment={
            "DATABASE_URL": database.url(),
            "DATABASE_HOST": database.host,
            "ORDERS_QUEUE_URL": queues[messaging.ORDERS],
            "ORDERS_TABLE": storage.TABLE,
            "RECEIPTS_BUCKET": storage.RECEIPTS_BUCKET,
            "REFERENCE_BUCKET": storage.REFERENCE_BUCKET,
        },
        secrets={
            "PAYMENT_API_KEY": values[configuration.PAYMENT_SECRET],
            "RECEIPT_SIGNING_KEY": values[configuration.SIGNING_PARAMETER],
            "BANNER": values[configuration.BANNER_PARAMETER],
        },
    )


def worker(account: Account, queues: dict[str, str], values: dict[str, str]) -> dict[str, object]:
    return container(
        "worker",
        environment={
            "ORDERS_TABLE_ARN": storage.arns(account)["table"],
            "INVOICES_QUEUE_URL": queues[messaging.INVOICES],
            "ARCHIVE_QUEUE_ARN": messaging.queue_arn(account, messaging.ARCHIVE, SECOND_REGION),
            "ORDER_EVENTS_TOPIC_ARN": messaging.topic_arn(account),
        },
        secrets={
            "DATABASE_SECRET": values[configuration.DATABASE_SECRET],
            "ORDERS_QUEUE_URL": values[configuration.QUEUE_PARAMETER],
        },
    )


def container(name: str, environment: dict[str, str], secrets: dict[str, str]) -> dict[str, object]:
    settings = {"AWS_REGION": REGION, "PORT": "8080"} | environment
    return {
        "name": name,
        "image": IMAGES[name],
        "essential": True,
        "portMappings": [{"name": "http", "containerPort": 8080, "protocol": "tcp", "appProtocol": "http"}],
        "environment": [{"name": key, "value": value} for key, value in sorted(settings.items())],
        "secrets": [{"name": key, "valueFrom": arn} for key, arn in sorted(secrets.items())],
        "healthCheck": {
            "command": ["CMD", f"/{name}", "healthcheck"],
            "interval": 10,
            "timeout": 5,
            "retries": 3,
        },
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group(name),
                "awslogs-region": REGION,
                "awslogs-stream-prefix": name,
            },
        },
    }
