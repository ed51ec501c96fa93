"""A provisioning template with its claim, at a local AWS."""

import json
from typing import Any

import boto3
from botocore.config import Config

from custom_components.aws_iot_jobs.aws_iot.enrolment import EnrolmentRequest
from stack.aws import LocalAws
from stack.policy import minimal_policy

SERIAL_NUMBER = "SerialNumber"

_TEMPLATE = "homes"
_THING_POLICY = "thing"
_CLAIM_POLICY = "claim"
_ROLE = "provisioning"
_BODY = {
    "Parameters": {SERIAL_NUMBER: {"Type": "String"}},
    "Resources": {
        "thing": {
            "Type": "AWS::IoT::Thing",
            "Properties": {"ThingName": {"Ref": SERIAL_NUMBER}},
        },
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {
                "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"},
                "Status": "ACTIVE",
            },
        },
        "policy": {
            "Type": "AWS::IoT::Policy",
            "Properties": {"PolicyName": _THING_POLICY},
        },
    },
}


class AwsFleet:
    """What an owner makes once for all homes. Everything here blocks."""

    def __init__(self, aws: LocalAws) -> None:
        """Make policies, role, template and claim."""
        self._aws = aws
        self.iot = aws.iot
        self.iot.create_policy(
            policyName=_THING_POLICY,
            policyDocument=minimal_policy(aws.region, aws.account),
        )
        self.iot.create_policy(
            policyName=_CLAIM_POLICY, policyDocument=self._claim_policy()
        )
        self.iot.create_provisioning_template(
            templateName=_TEMPLATE,
            enabled=True,
            templateBody=json.dumps(_BODY),
            provisioningRoleArn=self._role(),
        )
        self._claim = self.iot.create_keys_and_certificate(setAsActive=True)
        self.iot.attach_policy(
            policyName=_CLAIM_POLICY, target=self._claim["certificateArn"]
        )

    def request(self, serial_number: str) -> EnrolmentRequest:
        """Return how a home is enrolled."""
        return EnrolmentRequest(
            endpoint=self._aws.mqtt_host,
            port=self._aws.mqtt_port,
            root_ca=self._aws.root_ca.encode(),
            claim_certificate=self._claim["certificatePem"].encode(),
            claim_private_key=self._claim["keyPair"]["PrivateKey"].encode(),
            template=_TEMPLATE,
            parameters={SERIAL_NUMBER: serial_number},
        )

    def active(self, thing_name: str) -> list[str]:
        """Return the certificates of a thing that are active, as PEM."""
        principals = self.iot.list_thing_principals(thingName=thing_name)["principals"]
        described = [
            self.iot.describe_certificate(certificateId=arn.rpartition("/")[2])
            for arn in principals
        ]
        certificates = [one["certificateDescription"] for one in described]
        return [
            one["certificatePem"] for one in certificates if one["status"] == "ACTIVE"
        ]

    def _claim_policy(self) -> str:
        arn = f"arn:aws:iot:{self._aws.region}:{self._aws.account}"
        topics = (
            "$aws/certificates/create/json",
            "$aws/certificates/create-from-csr/json",
            f"$aws/provisioning-templates/{_TEMPLATE}/provision/json",
        )
        answers = [f"{topic}/{end}" for topic in topics for end in _ENDINGS]
        statements = [
            ("iot:Connect", [f"{arn}:client/claim-*"]),
            ("iot:Publish", [f"{arn}:topic/{topic}" for topic in topics]),
            ("iot:Receive", [f"{arn}:topic/{topic}" for topic in answers]),
            ("iot:Subscribe", [f"{arn}:topicfilter/{topic}" for topic in answers]),
        ]
        return _policy(
            *(
                {"Effect": "Allow", "Action": action, "Resource": resources}
                for action, resources in statements
            )
        )

    def _role(self) -> str:
        iam = boto3.client(
            "iam",
            region_name=self._aws.region,
            endpoint_url=self._aws.endpoint_url,
            aws_access_key_id=self._aws.access_key_id,
            aws_secret_access_key=self._aws.secret_access_key,
            config=Config(proxies={}),
        )
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "iot.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        role = iam.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=_policy(trust))[
            "Role"
        ]
        iam.put_role_policy(
            RoleName=_ROLE,
            PolicyName=_ROLE,
            PolicyDocument=_policy(
                {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
            ),
        )
        arn: str = role["Arn"]
        return arn


_ENDINGS = ("accepted", "rejected")


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
