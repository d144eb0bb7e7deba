"""Readers of an AWS account, one for each service, for account_dump.py.

A reader yields (kind, name, configuration) for everything the service holds. It only reads, by operations that change
nothing (no message is received from a queue), and leaves nothing out that a copy or a deletion could have touched.
Values of secrets and the contents of data are yielded as digests: a dump is kept in files and printed in differences.
"""

import hashlib
import json

from botocore.exceptions import ClientError

# What services answer where a part of a configuration was never set. Anything else is an error of the reader's, never
# taken for "there is nothing".
ABSENT = {
    "NoSuchBucketPolicy",
    "NoSuchCORSConfiguration",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchTagSet",
    "NoSuchWebsiteConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "ReplicationConfigurationNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchEntity",
    "OptionGroupNotFoundFault",
    "PolicyNotFoundException",
    "NoSuchTagSetError",
    "ResourceNotFoundException",
}


def digest(value):
    """The digest of a value's content: bytes, text, or anything that JSON can hold."""
    if isinstance(value, bytes):
        data = value
    elif isinstance(value, str):
        data = value.encode()
    else:
        data = json.dumps(value, sort_keys=True, default=plain).encode()
    return "sha256:" + hashlib.sha256(data).hexdigest()


def plain(value):
    """Spells what boto3 returns beside plain JSON: times, bytes, sets, decimal numbers."""
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def pages(client, operation, key, **arguments):
    """Every item under a key of every page of a listing."""
    if client.can_paginate(operation):
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from page.get(key) or []
    else:
        yield from ask(client, operation, **arguments).get(key) or []


def ask(client, operation, **arguments):
    """One answer, without the metadata of the response."""
    answer = getattr(client, operation)(**arguments)
    answer.pop("ResponseMetadata", None)
    return answer


def part(client, operation, **arguments):
    """One answer about a part of a configuration, or None where it was never set."""
    try:
        return ask(client, operation, **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise


def sqs(client):
    for url in pages(client, "list_queues", "QueueUrls"):
        attributes = ask(client, "get_queue_attributes", QueueUrl=url, AttributeNames=["All"]).get("Attributes")
        tags = ask(client, "list_queue_tags", QueueUrl=url).get("Tags")
        # The URL begins with whatever address the reader used, so only its end is part of the queue's state.
        yield "queue", url.rsplit("/", 1)[1], {"Attributes": attributes, "Tags": tags}


def sns(client):
    for topic in pages(client, "list_topics", "Topics"):
        arn = topic["TopicArn"]
        yield "topic", arn.rsplit(":", 1)[1], {
            "Attributes": ask(client, "get_topic_attributes", TopicArn=arn)["Attributes"],
            "Tags": ask(client, "list_tags_for_resource", ResourceArn=arn).get("Tags"),
        }
    for item in pages(client, "list_subscriptions", "Subscriptions"):
        arn = item["SubscriptionArn"]
        if not arn.startswith("arn:"):  # Not confirmed yet: the service tells no more of it.
            yield "subscription", f"{item['TopicArn']} {item['Protocol']} {item['Endpoint']}", item
            continue
        attributes = ask(client, "get_subscription_attributes", SubscriptionArn=arn)["Attributes"]
        yield "subscription", arn.split(":", 5)[5], {**item, "Attributes": attributes}
    for item in pages(client, "list_platform_applications", "PlatformApplications"):
        yield "platform-application", item["PlatformApplicationArn"], item


BUCKET_PARTS = [
    "get_bucket_accelerate_configuration",
    "get_bucket_acl",
    "get_bucket_cors",
    "get_bucket_encryption",
    "get_bucket_lifecycle_configuration",
    "get_bucket_location",
    "get_bucket_logging",
    "get_bucket_notification_configuration",
    "get_bucket_ownership_controls",
    "get_bucket_policy",
    "get_bucket_replication",
    "get_bucket_request_payment",
    "get_bucket_tagging",
    "get_bucket_versioning",
    "get_bucket_website",
    "get_object_lock_configuration",
    "get_public_access_block",
]


def s3(client):
    for bucket in ask(client, "list_buckets").get("Buckets", []):
        name = bucket["Name"]
        yield "bucket", name, {
            "CreationDate": bucket["CreationDate"],
            **{operation: part(client, operation, Bucket=name) for operation in BUCKET_PARTS},
        }
        for marker in pages(client, "list_object_versions", "DeleteMarkers", Bucket=name):
            yield "delete-marker", f"{name}/{marker['Key']} {marker['VersionId']}", marker
        for item in pages(client, "list_object_versions", "Versions", Bucket=name):
            at = {"Bucket": name, "Key": item["Key"]}
            if item["VersionId"] != "null":
                at["VersionId"] = item["VersionId"]
            head = ask(client, "head_object", **at)
            tags = part(client, "get_object_tagging", **at)
            yield "object", f"{name}/{item['Key']} {item['VersionId']}", {**item, "Head": head, "Tags": tags}
        for upload in pages(client, "list_multipart_uploads", "Uploads", Bucket=name):
            yield "upload", f"{name}/{upload['Key']} {upload['UploadId']}", upload


def dynamodb(client):
    for name in pages(client, "list_tables", "TableNames"):
        table = ask(client, "describe_table", TableName=name)["Table"]
        yield "table", name, {
            "Table": table,
            "TimeToLive": part(client, "describe_time_to_live", TableName=name),
            "ContinuousBackups": part(client, "describe_continuous_backups", TableName=name),
            "Policy": part(client, "get_resource_policy", ResourceArn=table["TableArn"]),
            "Tags": list(pages(client, "list_tags_of_resource", "Tags", ResourceArn=table["TableArn"])),
        }
        keys = [key["AttributeName"] for key in table["KeySchema"]]
        for item in pages(client, "scan", "Items", TableName=name, ConsistentRead=True):
            yield "item", f"{name}/{digest({key: item[key] for key in keys})}", {"Content": digest(item)}
    for backup in pages(client, "list_backups", "BackupSummaries"):
        yield "backup", backup["BackupArn"], backup


def secretsmanager(client):
    for listed in pages(client, "list_secrets", "SecretList", IncludePlannedDeletion=True):
        name, arn = listed["Name"], listed["ARN"]
        versions = list(pages(client, "list_secret_version_ids", "Versions", SecretId=arn, IncludeDeprecated=True))
        values = {}
        if "DeletedDate" not in listed:
            for version in versions:
                value = part(client, "get_secret_value", SecretId=arn, VersionId=version["VersionId"]) or {}
                held = value.get("SecretString", value.get("SecretBinary"))
                values[version["VersionId"]] = None if held is None else digest(held)
        yield "secret", name, {
            "Secret": ask(client, "describe_secret", SecretId=arn),
            "Versions": versions,
            "Values": values,
            "Policy": None if "DeletedDate" in listed else part(client, "get_resource_policy", SecretId=arn),
        }


def ssm(client):
    for listed in pages(client, "describe_parameters", "Parameters"):
        name = listed["Name"]
        value = ask(client, "get_parameter", Name=name, WithDecryption=True)["Parameter"]
        value["Value"] = digest(value["Value"])
        history = list(pages(client, "get_parameter_history", "Parameters", Name=name, WithDecryption=True))
        for version in history:
            version["Value"] = digest(version["Value"])
        tags = ask(client, "list_tags_for_resource", ResourceType="Parameter", ResourceId=name).get("TagList")
        yield "parameter", name, {"Listed": listed, "Parameter": value, "History": history, "Tags": tags}
    for document in pages(client, "list_documents", "DocumentIdentifiers", Filters=[{"Key": "Owner", "Values": ["Self"]}]):
        yield "document", document["Name"], document


def iam(client):
    for role in pages(client, "list_roles", "Roles"):
        yield "role", role["RoleName"], {
            **ask(client, "get_role", RoleName=role["RoleName"])["Role"],
            **principal_policies(client, "role", RoleName=role["RoleName"]),
        }
    for user in pages(client, "list_users", "Users"):
        at = {"UserName": user["UserName"]}
        yield "user", user["UserName"], {
            **ask(client, "get_user", **at)["User"],
            **principal_policies(client, "user", **at),
            "Groups": list(pages(client, "list_groups_for_user", "Groups", **at)),
            "AccessKeys": list(pages(client, "list_access_keys", "AccessKeyMetadata", **at)),
        }
    for group in pages(client, "list_groups", "Groups"):
        yield "group", group["GroupName"], {**group, **principal_policies(client, "group", GroupName=group["GroupName"])}
    for policy in pages(client, "list_policies", "Policies", Scope="Local"):
        at = {"PolicyArn": policy["Arn"]}
        versions = [
            ask(client, "get_policy_version", **at, VersionId=version["VersionId"])["PolicyVersion"]
            for version in pages(client, "list_policy_versions", "Versions", **at)
        ]
        yield "policy", policy["Arn"].split(":policy", 1)[1], {**ask(client, "get_policy", **at), "Versions": versions}
    for profile in pages(client, "list_instance_profiles", "InstanceProfiles"):
        yield "instance-profile", profile["InstanceProfileName"], profile


def principal_policies(client, principal, **at):
    """The policies of a role, a user or a group, inline and attached."""
    return {
        "Inline": {
            name: ask(client, f"get_{principal}_policy", **at, PolicyName=name)["PolicyDocument"]
            for name in pages(client, f"list_{principal}_policies", "PolicyNames", **at)
        },
        "Attached": list(pages(client, f"list_attached_{principal}_policies", "AttachedPolicies", **at)),
    }


def logs(client):
    for group in pages(client, "describe_log_groups", "logGroups"):
        name = group["logGroupName"]
        yield "log-group", name, {
            "Group": group,
            "Tags": ask(client, "list_tags_log_group", logGroupName=name).get("tags"),
            "MetricFilters": list(pages(client, "describe_metric_filters", "metricFilters", logGroupName=name)),
            "SubscriptionFilters": list(
                pages(client, "describe_subscription_filters", "subscriptionFilters", logGroupName=name)
            ),
        }
        for stream in pages(client, "describe_log_streams", "logStreams", logGroupName=name):
            at = {"logGroupName": name, "logStreamName": stream["logStreamName"]}
            events = digest(list(pages(client, "filter_log_events", "events", logGroupName=name,
                                       logStreamNames=[stream["logStreamName"]])))
            yield "log-stream", f"{at['logGroupName']} {at['logStreamName']}", {"Stream": stream, "Events": events}
    for policy in ask(client, "describe_resource_policies").get("resourcePolicies", []):
        yield "resource-policy", policy["policyName"], policy


def ecs(client):
    for cluster in pages(client, "list_clusters", "clusterArns"):
        described = ask(client, "describe_clusters", clusters=[cluster],
                        include=["ATTACHMENTS", "CONFIGURATIONS", "SETTINGS", "STATISTICS", "TAGS"])["clusters"]
        name = cluster.rsplit("/", 1)[1]
        yield "cluster", name, described[0]
        for service in pages(client, "list_services", "serviceArns", cluster=cluster):
            services = ask(client, "describe_services", cluster=cluster, services=[service], include=["TAGS"])["services"]
            yield "service", f"{name}/{service.rsplit('/', 1)[1]}", services[0]
        for status in ("RUNNING", "STOPPED"):
            for task in pages(client, "list_tasks", "taskArns", cluster=cluster, desiredStatus=status):
                tasks = ask(client, "describe_tasks", cluster=cluster, tasks=[task], include=["TAGS"])["tasks"]
                yield "task", f"{name}/{task.rsplit('/', 1)[1]}", tasks[0]
        for instance in pages(client, "list_container_instances", "containerInstanceArns", cluster=cluster):
            yield "container-instance", f"{name}/{instance.rsplit('/', 1)[1]}", {}
    for status in ("ACTIVE", "INACTIVE"):
        for arn in pages(client, "list_task_definitions", "taskDefinitionArns", status=status):
            definition = ask(client, "describe_task_definition", taskDefinition=arn, include=["TAGS"])
            # An inactive revision is a tombstone: no call can remove it for good, and nothing can start from it.
            kind = "task-definition" if status == "ACTIVE" else "inactive-task-definition"
            yield kind, arn.rsplit("/", 1)[1], definition


def rds(client):
    for item in pages(client, "describe_db_instances", "DBInstances"):
        yield "db-instance", item["DBInstanceIdentifier"], item
    for item in pages(client, "describe_db_clusters", "DBClusters"):
        yield "db-cluster", item["DBClusterIdentifier"], item
    for item in pages(client, "describe_db_subnet_groups", "DBSubnetGroups"):
        yield "db-subnet-group", item["DBSubnetGroupName"], item
    for item in pages(client, "describe_db_parameter_groups", "DBParameterGroups"):
        name = item["DBParameterGroupName"]
        parameters = list(pages(client, "describe_db_parameters", "Parameters", DBParameterGroupName=name))
        yield "db-parameter-group", name, {**item, "Parameters": parameters}
    # Option groups are listed by asking for each that an instance names: moto 5.2.5 fails on a listing of all.
    named = {
        membership["OptionGroupName"]
        for instance in pages(client, "describe_db_instances", "DBInstances")
        for membership in instance.get("OptionGroupMemberships", [])
    }
    for name in sorted(named):
        group = part(client, "describe_option_groups", OptionGroupName=name)
        yield "option-group", name, group or {}
    for item in pages(client, "describe_db_snapshots", "DBSnapshots"):
        yield "db-snapshot", item["DBSnapshotIdentifier"], item
    for item in pages(client, "describe_db_cluster_snapshots", "DBClusterSnapshots"):
        yield "db-cluster-snapshot", item["DBClusterSnapshotIdentifier"], item


# EC2's snapshots are left out: moto gives every account some 1,300 of them in each region, those of its default images.
# Of each kind of EC2: the operation, the key of its list, the field that names an item, and further arguments.
EC2_KINDS = {
    "vpc": ("describe_vpcs", "Vpcs", "VpcId", {}),
    "subnet": ("describe_subnets", "Subnets", "SubnetId", {}),
    "security-group": ("describe_security_groups", "SecurityGroups", "GroupId", {}),
    "route-table": ("describe_route_tables", "RouteTables", "RouteTableId", {}),
    "internet-gateway": ("describe_internet_gateways", "InternetGateways", "InternetGatewayId", {}),
    "nat-gateway": ("describe_nat_gateways", "NatGateways", "NatGatewayId", {}),
    "network-acl": ("describe_network_acls", "NetworkAcls", "NetworkAclId", {}),
    "network-interface": ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", {}),
    "vpc-endpoint": ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", {}),
    "address": ("describe_addresses", "Addresses", "AllocationId", {}),
    "key-pair": ("describe_key_pairs", "KeyPairs", "KeyPairId", {}),
    "volume": ("describe_volumes", "Volumes", "VolumeId", {}),
    "instance": ("describe_instances", "Reservations", "ReservationId", {}),
}


def ec2(client):
    for kind, (operation, key, name, arguments) in EC2_KINDS.items():
        for item in pages(client, operation, key, **arguments):
            yield kind, item[name], item


def kms(client):
    for listed in pages(client, "list_keys", "Keys"):
        key = ask(client, "describe_key", KeyId=listed["KeyId"])["KeyMetadata"]
        if key.get("KeyManager") == "AWS":  # Made and kept by the service itself, and nobody else's to remove.
            continue
        yield "key", listed["KeyId"], {
            "Key": key,
            "Policy": part(client, "get_key_policy", KeyId=listed["KeyId"], PolicyName="default"),
            "Tags": list(pages(client, "list_resource_tags", "Tags", KeyId=listed["KeyId"])),
            "Aliases": sorted(alias["AliasName"] for alias in pages(client, "list_aliases", "Aliases", KeyId=listed["KeyId"])),
        }


# The services that have a state for each region, and those that have one for the account.
REGIONAL = {
    "sqs": sqs, "sns": sns, "dynamodb": dynamodb, "rds": rds, "secretsmanager": secretsmanager, "ssm": ssm,
    "logs": logs, "ecs": ecs, "ec2": ec2, "kms": kms,
}
GLOBAL = {"iam": iam, "s3": s3}

# Services whose resources are named by the service: two accounts' resources cannot be matched by name.
GENERATED_NAMES = {"ec2", "kms"}
