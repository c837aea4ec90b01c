"""What the packaged CloudFormation must keep, whoever edits the stacks next."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop_cli.local.build import CERTIFICATES, FUNCTIONS, MACHINE
from shop_command.adapters.dynamodb import table as items
from shop_shared.envelope import Envelope
from shop_shared.registry import EVENT_TYPES

OUTPUTS = {
    *("TableName", "TableArn", "TableStreamArn", "StreamName", "StreamArn", "DeliveryStreamName", "DeliveryStreamArn"),
    *("BucketName", "BucketArn", "HttpApiId", "HttpApiUrl", "AuthorizerId", "UserPoolId", "UserPoolClientId"),
    *("GlueDatabaseName", "AthenaWorkgroupName", "AlarmTopicArn"),
    *("WebBucketName", "DistributionId", "WebUrl", "WebConfig"),
}
DATABASE_OUTPUTS = {
    *("DatabaseHost", "DatabaseReaderHost", "DatabasePort", "DatabaseName", "DatabaseResourceId"),
    *(
        "DatabaseSubnetIds",
        "FunctionSecurityGroupId",
        "RebuildSecurityGroupId",
        "DatabaseClusterArn",
        "DatabaseSecretArn",
    ),
}
# Actions that AWS takes no resource for, or none that is known before the function is there.
WITHOUT_RESOURCE = {
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
}
ERRORS = "errors/!{firehose:error-output-type}/date=!{timestamp:yyyy-MM-dd}/"
CHECKOUT = Path(__file__).parents[2]
PROXY_HOST = "shop.proxy-abcdefghijkl.us-east-1.rds.amazonaws.com"

Template = dict[str, Any]
Templates = dict[str, Template]
Packaged = Callable[[str], Templates]


def of_type(template: Template, kind: str) -> dict[str, Any]:
    found = {name: it["Properties"] for name, it in template["Resources"].items() if it["Type"] == kind}
    assert found, f"no {kind}"
    return found


def functions(templates: Templates) -> dict[str, Any]:
    return {f"{s} {n}": f for s in FUNCTIONS for n, f in of_type(templates[s], "AWS::Lambda::Function").items()}


def destination(templates: Templates) -> dict[str, Any]:
    stream = of_type(templates["shop-platform"], "AWS::KinesisFirehose::DeliveryStream")["DeliveryStream"]
    configuration: dict[str, Any] = stream["ExtendedS3DestinationConfiguration"]
    return configuration


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [it for policy in role["Policies"] for it in policy["PolicyDocument"]["Statement"]]


def allowed(role: dict[str, Any]) -> set[str]:
    return {action for it in statements(role) if it["Effect"] == "Allow" for action in as_list(it["Action"])}


@pytest.mark.parametrize(("stage", "stacks"), [("production", 4), ("local", 4), ("dev", 1), ("l" * 20, 4)])
def test_cfn_lint_finds_nothing(packages: Path, stage: str, stacks: int) -> None:
    services = "*" if stacks == 4 else "shop-platform"
    templates = sorted(packages.glob(f"{stage}/{services}/cloudformation-template-update-stack.json"))
    assert len(templates) == stacks
    lint = [str(Path(sys.executable).with_name("cfn-lint")), *map(str, templates)]
    done = subprocess.run(lint, cwd=CHECKOUT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_is_a_stack_of_its_own(packages: Path, production: Templates) -> None:
    states = {s: json.loads((packages / "production" / s / "serverless-state.json").read_text()) for s in production}
    assert {s: state["service"]["service"] for s, state in states.items()} == {s: s for s in production}


def test_the_platform_exports_what_the_functions_and_the_command_line_ask_for(
    production: Templates, local: Templates
) -> None:
    own = {"ServerlessDeploymentBucketName"}
    assert set(production["shop-platform"]["Outputs"]) - own == OUTPUTS | DATABASE_OUTPUTS
    assert set(local["shop-platform"]["Outputs"]) - own == OUTPUTS


def test_recorded_values_stand_in_for_exactly_what_is_looked_up() -> None:
    names = [
        set(re.findall(r"^(\w+):", (CHECKOUT / "config" / f"platform-{kind}.yml").read_text(), re.MULTILINE))
        for kind in ("stack", "recorded")
    ]
    assert names[0] == names[1]
    assert names[0] <= OUTPUTS | DATABASE_OUTPUTS


def test_the_table_has_its_keys_and_the_sparse_index_of_what_is_due(production: Templates) -> None:
    table = of_type(production["shop-platform"], "AWS::DynamoDB::Table")["Table"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    assert {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in table["GlobalSecondaryIndexes"]
    } == {"due": ["due_shard", "due_at"]}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["DeletionProtectionEnabled"] is True
    assert table["TimeToLiveSpecification"] == {"AttributeName": "forget_at", "Enabled": True}


def test_a_customer_is_limited_everywhere_but_on_a_developers_machine(packaged: Packaged) -> None:
    names = ("OPEN_RESERVATIONS_MAX", "UNITS_HELD_MAX", "CARD_ATTEMPTS_MAX")
    found = {}
    for stage in ("production", "local"):
        function = packaged(stage)["shop-command"]["Resources"]["ApiLambdaFunction"]["Properties"]
        found[stage] = [function["Environment"]["Variables"][name] for name in names]
    assert found == {"production": ["20", "100", "30"], "local": ["8000"] * 3}


@pytest.mark.parametrize("name", ["Table", "Stream", "Bucket", "UserPool"])
def test_what_holds_data_outlives_its_stack_except_locally(production: Templates, local: Templates, name: str) -> None:
    policies = [t["shop-platform"]["Resources"][name]["DeletionPolicy"] for t in (production, local)]
    assert policies == ["Retain", "Delete"]


def test_no_deployment_and_no_removal_of_the_stack_takes_what_holds_data_with_it(
    packages: Path, production: Templates
) -> None:
    resources = production["shop-platform"]["Resources"].values()
    kept = {it["Type"] for it in resources if it.get("DeletionPolicy") in ("Retain", "Snapshot")}
    assert [it for it in resources if it.get("DeletionPolicy") != it.get("UpdateReplacePolicy")] == []
    state = json.loads((packages / "production" / "shop-platform" / "serverless-state.json").read_text())
    allowed_updates, denied = state["service"]["provider"]["stackPolicy"]
    assert allowed_updates["Effect"] == "Allow"
    assert (denied["Effect"], denied["Action"]) == ("Deny", ["Update:Replace", "Update:Delete"])
    assert set(denied["Condition"]["StringEquals"]["ResourceType"]) == kept
    assert state["service"]["provider"]["deletionProtection"] is True
    cluster = of_type(production["shop-platform"], "AWS::RDS::DBCluster")["DatabaseCluster"]
    pool = of_type(production["shop-platform"], "AWS::Cognito::UserPool")["UserPool"]
    assert (cluster["DeletionProtection"], pool["DeletionProtection"]) == (True, "ACTIVE")


def test_the_stream_is_encrypted_and_keeps_records_for_seven_days(production: Templates) -> None:
    stream = of_type(production["shop-platform"], "AWS::Kinesis::Stream")["Stream"]
    assert stream["RetentionPeriodHours"] == 7 * 24
    assert stream["StreamEncryption"]["EncryptionType"] == "KMS"


def test_no_bucket_is_public_and_all_are_encrypted(production: Templates) -> None:
    for template in production.values():
        for bucket in of_type(template, "AWS::S3::Bucket").values():
            blocked = bucket["PublicAccessBlockConfiguration"]
            assert set(blocked) == {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
            assert all(blocked.values())
            assert bucket["BucketEncryption"]
        for name, policy in of_type(template, "AWS::S3::BucketPolicy").items():
            if name == "WebBucketPolicy":
                continue
            assert [(it["Effect"], [*it["Condition"]["Bool"]]) for it in policy["PolicyDocument"]["Statement"]] == [
                ("Deny", ["aws:SecureTransport"])
            ]


def test_the_archive_keeps_every_record_as_it_came(production: Templates, local: Templates) -> None:
    """On AWS, the archive is kept beside the Parquet that is made of it; the emulator makes no Parquet."""
    on_aws = destination(production)
    assert on_aws["S3BackupMode"] == "Enabled"
    for kept in (on_aws["S3BackupConfiguration"], destination(local)):
        assert kept["BucketARN"] == {"Fn::GetAtt": ["Bucket", "Arn"]}
        assert kept["Prefix"] == "events/date=!{timestamp:yyyy-MM-dd}/"
        assert kept["ErrorOutputPrefix"] == ERRORS
    assert on_aws["S3BackupConfiguration"]["CompressionFormat"] == "GZIP"
    stream = of_type(production["shop-platform"], "AWS::KinesisFirehose::DeliveryStream")["DeliveryStream"]
    assert stream["DeliveryStreamEncryptionConfigurationInput"] == {"KeyType": "AWS_OWNED_CMK"}


def test_firehose_has_the_trust_and_the_rights_that_aws_documents(production: Templates) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html"""
    role = of_type(production["shop-platform"], "AWS::IAM::Role")["DeliveryRole"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "firehose.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": {"Ref": "AWS::AccountId"}}}
    needed = {f"s3:{it}" for it in ("AbortMultipartUpload", "GetBucketLocation", "GetObject", "ListBucket")}
    needed |= {"s3:ListBucketMultipartUploads", "s3:PutObject", "logs:PutLogEvents"}
    assert allowed(role) == needed | {"glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"}


def test_the_database_stays_at_its_version_of_long_term_support(production: Templates) -> None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.VersionPolicy.Support.html"""
    cluster = of_type(production["shop-platform"], "AWS::RDS::DBCluster")["DatabaseCluster"]
    assert cluster["EngineVersion"] == "16.8"
    instances = of_type(production["shop-platform"], "AWS::RDS::DBInstance")
    assert {name: it["AutoMinorVersionUpgrade"] for name, it in instances.items()} == {
        "DatabaseWriter": False,
        "DatabaseReader": False,
    }


def test_the_networks_zones_are_a_parameter(production: Templates) -> None:
    """Without a value of the stage's own, they are the first two that CloudFormation names."""
    subnets = of_type(production["shop-platform"], "AWS::EC2::Subnet")
    assert {name: it["AvailabilityZone"]["Fn::Select"] for name, it in subnets.items()} == {
        "SubnetA": [0, {"Fn::GetAZs": ""}],
        "SubnetB": [1, {"Fn::GetAZs": ""}],
    }
    platform = (CHECKOUT / "serverless.yml").read_text()
    assert re.search(r"^    availabilityZones: !GetAZs '' #", platform, re.MULTILINE)


def test_the_databases_log_is_in_a_group_of_ours(production: Templates) -> None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.CloudWatch.html"""
    resources = production["shop-platform"]["Resources"]
    cluster = resources["DatabaseCluster"]
    group = resources["DatabaseLogGroup"]["Properties"]["LogGroupName"]
    assert group == f"/aws/rds/cluster/{cluster['Properties']['DBClusterIdentifier']}/postgresql"
    assert cluster["DependsOn"] == ["DatabaseLogGroup"]  # or RDS makes it, without an end
    assert cluster["Properties"]["EnableCloudwatchLogsExports"] == ["postgresql"]


def test_on_aws_the_archive_becomes_parquet_by_day_and_type_and_what_cannot_is_kept(production: Templates) -> None:
    delivery = destination(production)
    assert delivery["Prefix"] == "parquet/date=!{timestamp:yyyy-MM-dd}/type=!{partitionKeyFromQuery:type}/"
    assert delivery["ErrorOutputPrefix"] == ERRORS
    assert delivery["DynamicPartitioningConfiguration"]["Enabled"] is True
    # A record holds many events: first they are taken apart, then each goes by its own type.
    assert [it["Type"] for it in delivery["ProcessingConfiguration"]["Processors"]] == [
        "RecordDeAggregation",
        "MetadataExtraction",
    ]
    conversion = delivery["DataFormatConversionConfiguration"]
    assert set(conversion["InputFormatConfiguration"]["Deserializer"]) == {"OpenXJsonSerDe"}
    assert set(conversion["OutputFormatConfiguration"]["Serializer"]) == {"ParquetSerDe"}
    assert conversion["SchemaConfiguration"]["TableName"] == {"Ref": "GlueTable"}
    # What AWS asks for where it converts: its own compression, and no smaller objects.
    assert delivery["CompressionFormat"] == "UNCOMPRESSED"
    assert delivery["BufferingHints"]["SizeInMBs"] >= 64
    assert {"glue:GetTable", "glue:GetTableVersions", "s3:PutObject"} <= allowed(
        of_type(production["shop-platform"], "AWS::IAM::Role")["DeliveryRole"]
    )


@pytest.mark.parametrize(("stage", "folder"), [("production", "parquet"), ("local", "events")])
def test_the_archives_table_has_the_columns_and_the_types_of_the_event_package(
    packaged: Packaged, stage: str, folder: str
) -> None:
    table = of_type(packaged(stage)["shop-platform"], "AWS::Glue::Table")["GlueTable"]["TableInput"]
    storage = table["StorageDescriptor"]
    assert [key["Name"] for key in table["PartitionKeys"]] == ["date", "type"]
    assert {column["Name"] for column in storage["Columns"]} | {"type"} == set(Envelope.model_fields)
    assert storage["Location"] == {"Fn::Sub": f"s3://${{Bucket}}/{folder}/"}
    if stage == "production":
        assert table["Parameters"]["projection.type.values"].split(",") == list(EVENT_TYPES)
        template = "".join(str(part) for part in table["Parameters"]["storage.location.template"]["Fn::Join"][1])
        assert template == "s3://{'Ref': 'Bucket'}/parquet/date=${date}/type=${type}"


def test_of_the_bucket_only_the_answers_of_queries_expire(production: Templates) -> None:
    bucket = of_type(production["shop-platform"], "AWS::S3::Bucket")["Bucket"]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    for ending in ("ExpirationInDays", "NoncurrentVersionExpiration"):
        assert [rule["Prefix"] for rule in rules if ending in rule] == ["athena-results/"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert {rule["Prefix"] for rule in rules if "Transitions" in rule} == {"events/", "parquet/"}


def test_every_query_in_the_folder_is_a_named_query(production: Templates) -> None:
    queries = of_type(production["shop-platform"], "AWS::Athena::NamedQuery").values()
    files = {file.stem: file.read_text() for file in (CHECKOUT / "infra" / "queries").glob("*.sql")}
    assert {query["Name"]: query["QueryString"] for query in queries} == files


def test_customers_sign_up_and_passwords_are_strong_and_sent_to_no_client(production: Templates) -> None:
    pool = of_type(production["shop-platform"], "AWS::Cognito::UserPool")["UserPool"]
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": False}
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] >= 12
    clients = of_type(production["shop-platform"], "AWS::Cognito::UserPoolClient")
    assert set(clients) == {"UserPoolClient", "WebClient"}
    for client in clients.values():
        assert "ALLOW_USER_PASSWORD_AUTH" not in client["ExplicitAuthFlows"]
        assert (client["AccessTokenValidity"], client["TokenValidityUnits"]["AccessToken"]) == (15, "minutes")
    lasts = {
        function["Environment"]["Variables"]["ADMINISTRATOR_SECONDS"]
        for name, function in functions(production).items()
        if "ApiLambdaFunction" in name
    }
    assert lasts == {"900"}


def test_the_database_is_private_encrypted_and_signed_in_to_with_iam(production: Templates) -> None:
    platform = production["shop-platform"]
    cluster = of_type(platform, "AWS::RDS::DBCluster")["DatabaseCluster"]
    for setting in ("StorageEncrypted", "EnableIAMDatabaseAuthentication", "EnableHttpEndpoint", "DeletionProtection"):
        assert cluster[setting] is True
    assert cluster["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in cluster
    assert cluster["EngineVersion"].startswith("16.")
    assert not any(it["PubliclyAccessible"] for it in of_type(platform, "AWS::RDS::DBInstance").values())
    kinds = {it["Type"] for it in platform["Resources"].values()}
    assert not kinds & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway"}


def test_the_emulator_gets_no_database_and_no_network(local: Templates) -> None:
    for template in local.values():
        kinds = {resource["Type"] for resource in template["Resources"].values()}
        assert not {kind for kind in kinds if kind.startswith(("AWS::RDS", "AWS::EC2"))}
    assert not any("VpcConfig" in function for function in functions(local).values())


def test_only_the_functions_that_use_the_database_are_in_its_network(production: Templates) -> None:
    in_network = {name for name, function in functions(production).items() if "VpcConfig" in function}
    assert in_network == {
        "shop-query ApiLambdaFunction",
        "shop-dispatch ProjectLambdaFunction",
        "shop-dispatch ParkedLambdaFunction",
        "shop-dispatch VerifyLambdaFunction",
        "shop-dispatch MigrateLambdaFunction",
        "shop-dispatch RebuildLambdaFunction",
    }


def test_the_network_leads_to_the_table_and_the_archive_and_nowhere_else(production: Templates) -> None:
    platform = production["shop-platform"]
    ways = {
        statement["Action"]: (endpoint["VpcEndpointType"], statement["Resource"])
        for endpoint in of_type(platform, "AWS::EC2::VPCEndpoint").values()
        for statement in endpoint["PolicyDocument"]["Statement"]
    }
    assert ways == {
        "dynamodb:Scan": ("Gateway", {"Fn::GetAtt": ["Table", "Arn"]}),
        "s3:GetObject": ("Gateway", {"Fn::Sub": "${Bucket.Arn}/events/*"}),
        "s3:ListBucket": ("Gateway", {"Fn::GetAtt": ["Bucket", "Arn"]}),
    }
    assert not [kind for it in platform["Resources"].values() if (kind := it["Type"]) == "AWS::EC2::Route"]
    groups = of_type(platform, "AWS::EC2::SecurityGroup")
    ports = {name: {rule.get("FromPort") for rule in it["SecurityGroupEgress"]} for name, it in groups.items()}
    assert ports == {
        "FunctionSecurityGroup": {5432},
        "RebuildSecurityGroup": {5432, 443},
        "DatabaseSecurityGroup": {None},
    }
    functions = of_type(production["shop-dispatch"], "AWS::Lambda::Function")
    group = functions["RebuildLambdaFunction"]["VpcConfig"]["SecurityGroupIds"]
    assert group != functions["MigrateLambdaFunction"]["VpcConfig"]["SecurityGroupIds"]


@pytest.mark.parametrize("stage", ["production", "local"])
def test_every_function_is_traced(production: Templates, local: Templates, stage: str) -> None:
    found = functions({"production": production, "local": local}[stage])
    assert len(found) == 10
    assert {function["TracingConfig"]["Mode"] for function in found.values()} == {"Active"}
    architecture = {"production": "arm64", "local": MACHINE}[stage]
    assert {tuple(function["Architectures"]) for function in found.values()} == {(architecture,)}


def test_every_log_group_has_an_end(production: Templates) -> None:
    groups = [g for template in production.values() for g in of_type(template, "AWS::Logs::LogGroup").values()]
    assert len(groups) == 14
    assert {group["RetentionInDays"] for group in groups} == {90}


@pytest.mark.parametrize(
    ("name", "parallel", "window_seconds"), [("ProjectLambdaFunction", 2, 0), ("ArchiveLambdaFunction", 1, 5)]
)
def test_no_record_is_lost_between_the_stream_and_its_consumers(
    production: Templates, name: str, parallel: int, window_seconds: int
) -> None:
    mappings = of_type(production["shop-dispatch"], "AWS::Lambda::EventSourceMapping").values()
    [mapping] = [it for it in mappings if it["FunctionName"] == {"Fn::GetAtt": [name, "Arn"]}]
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping["MaximumRecordAgeInSeconds"] == 7 * 24 * 3600
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"].startswith("arn:aws:s3:::")
    assert 1 <= mapping["BatchSize"] <= 500
    assert (mapping["ParallelizationFactor"], mapping["MaximumBatchingWindowInSeconds"]) == (parallel, window_seconds)
    assert mapping["Enabled"] is True
    assert mapping["MetricsConfig"] == {"Metrics": ["EventCount"]}
    # The emulator would lose each record that a partial response does not name.
    assert "FunctionResponseTypes" not in mapping


def test_every_function_has_a_role_of_its_own(production: Templates) -> None:
    for service in FUNCTIONS:
        lambdas = of_type(production[service], "AWS::Lambda::Function").values()
        roles = [function["Role"]["Fn::GetAtt"][0] for function in lambdas]
        assert sorted(roles) == sorted(of_type(production[service], "AWS::IAM::Role"))


@pytest.mark.parametrize("stage", ["production", "local"])
def test_no_role_may_do_everything_or_reach_everything(production: Templates, local: Templates, stage: str) -> None:
    for template in {"production": production, "local": local}[stage].values():
        for role in of_type(template, "AWS::IAM::Role").values():
            assert "ManagedPolicyArns" not in role
            for statement in statements(role):
                actions = as_list(statement["Action"])
                assert not [action for action in actions if "*" in action]
                if "*" in as_list(statement["Resource"]):
                    assert set(actions) <= WITHOUT_RESOURCE


def test_a_function_in_the_network_cannot_use_its_network_permissions_itself(production: Templates) -> None:
    for service in ("shop-query", "shop-dispatch"):
        for role in of_type(production[service], "AWS::IAM::Role").values():
            granted = {action for action in allowed(role) if action.startswith("ec2:")}
            denied = {a for it in statements(role) if it["Effect"] == "Deny" for a in as_list(it["Action"])}
            assert granted == denied


@pytest.mark.parametrize(
    ("service", "role", "user"),
    [
        ("shop-query", "ApiRole", "shop_query"),
        ("shop-dispatch", "ProjectRole", "shop_dispatch"),
        ("shop-dispatch", "ParkedRole", "shop_dispatch"),
        ("shop-dispatch", "VerifyRole", "shop_query"),
        ("shop-dispatch", "MigrateRole", "shop_owner"),
        ("shop-dispatch", "RebuildRole", "shop_owner"),
    ],
)
def test_a_function_signs_in_to_the_database_as_its_own_user_only(
    production: Templates, service: str, role: str, user: str
) -> None:
    connects = [
        statement["Resource"]["Fn::Sub"][0].rsplit("/", 1)[-1]
        for statement in statements(production[service]["Resources"][role]["Properties"])
        if "rds-db:connect" in as_list(statement["Action"])
    ]
    assert connects == [user]
    name = role.replace("Role", "LambdaFunction")
    environment = production[service]["Resources"][name]["Properties"]["Environment"]["Variables"]
    assert environment["DATABASE_USER"] == user
    assert environment["DATABASE_ROOT_CERTIFICATE"] == f"/var/task/{CERTIFICATES}"


def test_each_function_may_do_its_own_work_and_no_other(production: Templates) -> None:
    everyone = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    reads_stream = {f"kinesis:{it}" for it in ("DescribeStream", "DescribeStreamSummary", "GetRecords")}
    reads_stream |= {"kinesis:GetShardIterator", "kinesis:ListShards", "s3:PutObject", "s3:ListBucket"}
    writes = {f"dynamodb:{it}" for it in ("BatchGetItem", "PutItem", "Query", "UpdateItem")}
    writes |= {"kinesis:PutRecords", "ssm:GetParameter"}
    expected = {
        "shop-command ApiRole": writes | {"dynamodb:GetItem"},
        "shop-command SweepRole": writes | {"lambda:InvokeFunction"},
        "shop-command IntegrityRole": {
            f"dynamodb:{it}" for it in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        },
        "shop-query ApiRole": {"rds-db:connect"},
        "shop-dispatch ProjectRole": reads_stream | {"rds-db:connect"},
        "shop-dispatch ArchiveRole": reads_stream | {"firehose:PutRecordBatch"},
        "shop-dispatch ParkedRole": {"rds-db:connect"},
        "shop-dispatch VerifyRole": {"rds-db:connect"},
        "shop-dispatch MigrateRole": {"rds-db:connect"},
        "shop-dispatch RebuildRole": {"rds-db:connect", "dynamodb:Scan", "s3:GetObject", "s3:ListBucket"},
    }
    roles = {f"{s} {n}": role for s in FUNCTIONS for n, role in of_type(production[s], "AWS::IAM::Role").items()}
    found = {name: {a for a in allowed(role) if not a.startswith("ec2:")} - everyone for name, role in roles.items()}
    assert found == expected


def test_events_are_put_in_transactions_alone_and_nobody_may_update_delete_or_write_past_that(
    production: Templates, local: Templates
) -> None:
    """IAM has no condition for "only a new item": what an overwriting put does is found by `integrity`."""
    ways_around = {f"dynamodb:{it}" for it in ("DeleteItem", "BatchWriteItem", "DeleteTable", "UpdateTable")}
    ways_around |= {f"dynamodb:PartiQL{it}" for it in ("Insert", "Update", "Delete")}
    in_transactions = {"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": "TransactWriteItems"}}
    content = {items.EVENT, items.TYPE, items.TIME, items.STATE}
    writers = set()
    for template in (production, local):
        for service in FUNCTIONS:
            for name, role in of_type(template[service], "AWS::IAM::Role").items():
                assert not allowed(role) & (ways_around | {"s3:DeleteObject", "s3:DeleteObjectVersion"})
                by_action = {(it["Effect"], action): it for it in statements(role) for action in as_list(it["Action"])}
                if put := by_action.get(("Allow", "dynamodb:PutItem")):
                    writers.add(name)
                    assert put["Condition"] == in_transactions
                if ("Allow", "dynamodb:UpdateItem") in by_action:
                    denied = by_action["Deny", "dynamodb:UpdateItem"]["Condition"]["ForAnyValue:StringEquals"]
                    assert set(denied["dynamodb:Attributes"]) >= content
    assert writers == {"ApiRole", "SweepRole"}


@pytest.mark.parametrize("stage", ["production", "local"])
def test_every_change_of_an_event_reaches_the_function_that_reports_it(
    production: Templates, local: Templates, stage: str
) -> None:
    templates = {"production": production, "local": local}[stage]
    table = of_type(templates["shop-platform"], "AWS::DynamoDB::Table")["Table"]
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    mapping = of_type(templates["shop-command"], "AWS::Lambda::EventSourceMapping")["IntegrityMapping"]
    assert mapping["FunctionName"] == {"Fn::GetAtt": ["IntegrityLambdaFunction", "Arn"]}
    assert (mapping["StartingPosition"], mapping["MaximumRetryAttempts"]) == ("TRIM_HORIZON", -1)
    [pattern] = mapping["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {
        "eventName": ["MODIFY", "REMOVE"],
        "dynamodb": {"Keys": {"sk": {"S": [{"prefix": items.EVENT_SK_PREFIX}]}}},
    }


def test_only_the_sweep_reads_the_index_and_only_the_api_the_webhooks_secret(production: Templates) -> None:
    roles = of_type(production["shop-command"], "AWS::IAM::Role")
    resources = {name: json.dumps([it["Resource"] for it in statements(role)]) for name, role in roles.items()}
    assert {name for name, text in resources.items() if "/index/due" in text} == {"SweepRole"}
    assert {name for name, text in resources.items() if "payment-webhook-secret" in text} == {"ApiRole"}
    assert {name for name, text in resources.items() if "payment-api-key" in text} == {"ApiRole", "SweepRole"}


@pytest.mark.parametrize("stage", ["production", "local"])
def test_what_is_due_is_paid_every_minute_and_the_provider_asked_every_five(
    production: Templates, local: Templates, stage: str
) -> None:
    template = {"production": production, "local": local}[stage]["shop-command"]
    rules = list(of_type(template, "AWS::Events::Rule").values())
    assert {rule["State"] for rule in rules} == {"ENABLED"}
    targets = [(rule["ScheduleExpression"], target) for rule in rules for target in rule["Targets"]]
    assert all(target["Arn"] == {"Fn::GetAtt": ["SweepLambdaFunction", "Arn"]} for _, target in targets)
    inputs = {schedule: json.loads(target.get("Input", "null")) for schedule, target in targets}
    assert inputs == {"rate(1 minute)": None, "rate(5 minutes)": {"task": "reconcile"}}
    function = of_type(template, "AWS::Lambda::Function")["SweepLambdaFunction"]
    assert function["Timeout"] == 60
    assert "ReservedConcurrentExecutions" not in function


def test_anyone_may_look_at_products_and_documents_the_provider_signs_and_everything_else_needs_a_token(
    production: Templates,
) -> None:
    routes = {
        route["RouteKey"]: route.get("AuthorizationType", "NONE")
        for service in ("shop-command", "shop-query")
        for route in of_type(production[service], "AWS::ApiGatewayV2::Route").values()
    }
    declared = {
        "GET /products": "NONE",
        "GET /products/{sku}": "NONE",
        "GET /categories": "NONE",
        "GET /openapi/query.json": "NONE",
        "GET /openapi/command.json": "NONE",
        "GET /docs": "NONE",
        "$default": "NONE",
        "GET /reservations": "JWT",
        "GET /reservations/{id}": "JWT",
        "GET /purchases": "JWT",
        "GET /purchases/{id}": "JWT",
        "GET /sales/daily": "JWT",
        "GET /sales/top": "JWT",
        "GET /streams/{id}/activity": "JWT",
        "POST /reservations": "JWT",
        "DELETE /reservations/{id}": "JWT",
        "POST /purchase": "JWT",
        "POST /purchases/{id}/refund": "JWT",
        "POST /payments/webhook": "NONE",
        "POST /products": "JWT",
        "POST /products/{sku}/price": "JWT",
        "POST /products/{sku}/stock": "JWT",
        "POST /products/{sku}/stock-adjustment": "JWT",
        "POST /products/{sku}/buckets": "JWT",
        "POST /products/{sku}/details": "JWT",
        "POST /products/{sku}/relist": "JWT",
        "DELETE /products/{sku}": "JWT",
    }
    heads = {it.replace("GET", "HEAD"): authorizer for it, authorizer in declared.items() if it.startswith("GET ")}
    assert routes == declared | heads


def test_reads_that_wait_are_throttled_apart_once_their_routes_are_there(
    production: Templates, local: Templates
) -> None:
    """A first deployment, which has no routes yet, is as on this machine."""
    stage, first = (it["shop-platform"]["Resources"]["HttpApiStage"]["Properties"] for it in (production, local))
    assert first["RouteSettings"] == {}
    general, apart = stage["DefaultRouteSettings"], stage["RouteSettings"]
    waiting = {
        f"{method.upper()} {path}".replace("{reservation_id}", "{id}").replace("{purchase_id}", "{id}")
        for path, methods in yaml.safe_load((CHECKOUT / "docs" / "openapi.yaml").read_text())["paths"].items()
        for method, operation in methods.items()
        if any(it.get("name") == "min_version" for it in operation.get("parameters", ()))
    }
    routes = {route["RouteKey"] for route in of_type(production["shop-query"], "AWS::ApiGatewayV2::Route").values()}
    assert set(apart) == waiting <= routes
    for settings in apart.values():
        assert settings["ThrottlingRateLimit"] * 2 == general["ThrottlingRateLimit"]
        assert settings["ThrottlingBurstLimit"] * 2 == general["ThrottlingBurstLimit"]
        assert settings["DetailedMetricsEnabled"]
    assert production["shop-query"]["Outputs"]["ThrottledRoutes"]["Value"] in yaml.safe_load(
        (CHECKOUT / "infra" / "route-throttles.yml").read_text()
    )


@pytest.mark.parametrize(
    ("service", "function", "role"),
    [
        ("shop-query", "Api", "shop_query"),
        ("shop-dispatch", "Project", "shop_dispatch"),
        ("shop-dispatch", "Parked", "shop_dispatch"),
    ],
)
def test_a_proxy_before_the_database_is_a_parameter(
    proxied: Templates, production: Templates, service: str, function: str, role: str
) -> None:
    resources = proxied[service]["Resources"]
    environment = resources[f"{function}LambdaFunction"]["Properties"]["Environment"]["Variables"]
    assert (environment["DATABASE_HOST"], environment["DATABASE_POOLED"]) == (PROXY_HOST, "true")
    [connect] = [
        it for it in statements(resources[f"{function}Role"]["Properties"]) if it["Action"] == "rds-db:connect"
    ]
    text, names = connect["Resource"]["Fn::Sub"]
    assert (text.rsplit("/", 1)[-1], names) == (role, {"Cluster": "prx-0123456789abcdef0"})
    direct = production[service]["Resources"][f"{function}LambdaFunction"]["Properties"]["Environment"]["Variables"]
    assert "DATABASE_POOLED" not in direct


def test_snapstart_is_a_parameter_with_which_the_api_calls_a_version(proxied: Templates, production: Templates) -> None:
    resources = proxied["shop-query"]["Resources"]
    assert resources["ApiLambdaFunction"]["Properties"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    [alias] = of_type(proxied["shop-query"], "AWS::Lambda::Alias").values()
    [integration] = of_type(proxied["shop-query"], "AWS::ApiGatewayV2::Integration").values()
    arn = {"Fn::GetAtt": ["ApiLambdaFunction", "Arn"]}
    assert integration["IntegrationUri"] == {"Fn::Join": [":", [arn, alias["Name"]]]}
    assert not [name for name, function in functions(production).items() if "SnapStart" in function]


@pytest.mark.parametrize("function", ["Migrate", "Rebuild", "Verify"])
def test_migrations_rebuilds_and_audits_go_past_a_proxy(
    proxied: Templates, production: Templates, function: str
) -> None:
    both = (it["shop-dispatch"]["Resources"] for it in (proxied, production))
    behind, direct = ((it[f"{function}LambdaFunction"]["Properties"], it[f"{function}Role"]) for it in both)
    assert (behind[0]["Environment"], behind[1]) == (direct[0]["Environment"], direct[1])


def test_the_functions_attach_to_the_platforms_api_and_bring_none_of_their_own(production: Templates) -> None:
    for service in FUNCTIONS:
        kinds = {resource["Type"] for resource in production[service]["Resources"].values()}
        assert not kinds & {"AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage", "AWS::ApiGatewayV2::Authorizer"}


def test_what_operators_alone_invoke_has_no_other_way_in(production: Templates, local: Templates) -> None:
    """Neither an API nor a URL leads to these functions, and no service may call them."""
    for template in (production["shop-dispatch"], local["shop-dispatch"]):
        kinds = {resource["Type"] for resource in template["Resources"].values()}
        assert not {kind for kind in kinds if kind.startswith(("AWS::ApiGateway", "AWS::Events", "AWS::Scheduler"))}
        assert not kinds & {"AWS::Lambda::Url", "AWS::Lambda::Permission"}


def test_no_secret_is_in_a_template(production: Templates) -> None:
    for function in functions(production).values():
        names = set(function["Environment"]["Variables"])
        assert not {name for name in names if re.search("PASSWORD|SECRET$|TOKEN|API_KEY$|DATABASE_URL", name)}
