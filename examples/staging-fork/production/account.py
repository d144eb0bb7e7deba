"""Sessions in the two accounts, and the names that every part of the account shares."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

PRODUCTION = "111111111111"
SANDBOX = "222222222222"
REGION = "eu-west-1"
SECOND_REGION = "eu-central-1"

# The emulator takes any base credentials; they only have to be there. The role decides the account.
BASE_CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


class Account:
    """One account, with a client for each service and region made when it is first asked for."""

    def __init__(self, account_id: str, session: boto3.Session, endpoint_url: str):
        self.account_id = account_id
        self._session = session
        self._endpoint_url = endpoint_url
        self._clients: dict[tuple[str, str], Any] = {}

    @classmethod
    def assume(cls, account_id: str, role: str, endpoint_url: str) -> Account:
        """A session in the account, by assuming a role there."""
        sts = boto3.client("sts", region_name=REGION, endpoint_url=endpoint_url, config=CONFIG, **BASE_CREDENTIALS)
        credentials = sts.assume_role(
            RoleArn=f"arn:aws:iam::{account_id}:role/{role}", RoleSessionName="seed", DurationSeconds=3600
        )["Credentials"]
        session = boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            region_name=REGION,
        )
        return cls(account_id, session, endpoint_url)

    def client(self, service: str, region: str = REGION) -> Any:
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = self._session.client(
                service, region_name=region, endpoint_url=self._endpoint_url, config=CONFIG
            )
        return self._clients[key]

    def arn(self, service: str, resource: str, region: str = REGION) -> str:
        return f"arn:aws:{service}:{region}:{self.account_id}:{resource}"

    def role_arn(self, name: str, path: str = "/") -> str:
        return f"arn:aws:iam::{self.account_id}:role{path}{name}"


# Path style, because a bucket's own host name (bucket.127.0.0.1) does not resolve.
CONFIG = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3, "mode": "standard"})


def tags(tier: str, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """The company's tags in the list form, whose field names differ between services."""
    return [{key: name, value: text} for name, text in tag_map(tier).items()]


def tag_map(tier: str) -> dict[str, str]:
    """The company's tags as a map."""
    return {"app": "shop", "tier": tier}
