"""deploy/aws/ is what AWS takes: every command of its README, with the files that it names."""

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from app.settings import PROJECT_DIR, Settings
from privacy.field_encryption import SEALED
from sinks.reading import PLACE_FIELDS

FOLDER = PROJECT_DIR / "deploy" / "aws"
README = (FOLDER / "README.md").read_text()
FILES = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.json")}
POLICIES = sorted(name for name in FILES if name.endswith("-policy.json"))

# What the CLI itself takes beside the operation's own parameters.
OPTIONS_OF_THE_CLI = {"query", "output", "certificate-pem-outfile", "private-key-outfile"}


def commands() -> Iterator[list[str]]:
    """The README's `aws` commands, as a shell splits them."""
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("aws "):
                yield shlex.split(line)[1:]


@cache
def operation_of(service: str, command: str) -> OperationModel:
    """The operation that a command of the CLI stands for."""
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    return model.operation_model(names[command])


def parameters_of(operation: OperationModel, options: list[str]) -> dict[str, Any]:
    """The parameters that these options mean. Raises KeyError for an option that the operation has not."""
    members = {xform_name(name, "-"): name for name in operation.input_shape.members}
    parameters: dict[str, Any] = {}
    while options:
        option = options.pop(0).removeprefix("--")
        value = options.pop(0) if options and not options[0].startswith("--") else None
        if option in OPTIONS_OF_THE_CLI:
            continue
        if option == "zip-file":  # the CLI's own spelling of a part of Code
            parameters["Code"] = {"ZipFile": b"as `make lambda` makes it"}
            continue
        name = members[option]
        kind = operation.input_shape.members[name].type_name
        if value is not None and value.startswith("file://"):
            text = (FOLDER / value.removeprefix("file://")).read_text()
            parameters[name] = json.loads(text) if kind == "structure" else text
        elif kind == "integer":
            parameters[name] = int(value or "")
        else:
            parameters[name] = True if value is None else value
    return parameters


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: "-".join(command[:4]))
def test_a_command_has_what_its_operation_wants(command: list[str]) -> None:
    """By AWS's own models: names, required parameters, types, lengths."""
    service, name, *options = command
    operation = operation_of(service, name)
    report = ParamValidator().validate(parameters_of(operation, options), operation.input_shape)
    assert not report.has_errors(), report.generate_report()


def test_the_check_finds_what_is_wrong() -> None:
    """A wrong option, a missing one, a wrong type."""
    rule = operation_of("iot", "create-topic-rule")
    with pytest.raises(KeyError):
        parameters_of(rule, ["--rule-nam", "x"])
    payload = json.loads((FOLDER / "topic-rule.json").read_text())
    for broken in (
        {"ruleName": "x"},
        {"ruleName": "x", "topicRulePayload": {**payload, "actions": [{"s3": {}}]}},
    ):
        assert ParamValidator().validate(broken, rule.input_shape).has_errors()


def test_every_file_is_in_a_command() -> None:
    """One that nobody is told of does nothing."""
    assert set(re.findall(r"file://(\S+)", README)) == FILES


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_well_formed_and_allows_no_more_than_it_says(name: str) -> None:
    """Actions are spelled out, and resources too, but for an action that AWS ties to none."""
    policy = json.loads((FOLDER / name).read_text())
    assert policy["Version"] == "2012-10-17"
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in _listed(statement["Action"]):
            assert re.fullmatch(r"(iot|timestream|logs|sqs|sts):[A-Z][A-Za-z]+", action)
        for resource in _listed(statement.get("Resource", [])):
            is_free = statement["Action"] == "timestream:DescribeEndpoints"
            assert is_free or re.fullmatch(r"arn:aws:[a-z]+:us-west-2:123456789012:[^*]+\S*", resource)


def test_devices_publish_only_as_themselves_and_the_bridge_only_reads() -> None:
    """What a stolen certificate is worth."""
    device, bridge = (_rights(f"{who}-policy.json") for who in ("device", "bridge"))
    itself = "${iot:Connection.Thing.ThingName}"
    assert device == {
        "iot:Connect": {f"client/{itself}"},
        "iot:Publish": {f"topic/devices/{itself}/location"},
    }
    assert bridge.keys() == {"iot:Connect", "iot:Subscribe", "iot:Receive"}
    assert f"topicfilter/{Settings().iot_topic_filter}" in bridge["iot:Subscribe"]
    assert bridge["iot:Connect"] == {f"client/{Settings().iot_client_id}*"}
    assert _rights("sensors-policy.json")["iot:Connect"] == {f"client/{Settings().iot_sensors_client_id}"}


def test_the_rule_writes_where_its_role_may() -> None:
    """Its topics are the bridge's; its role trusts this rule and no other."""
    rule = json.loads((FOLDER / "topic-rule.json").read_text())
    timestream = rule["actions"][0]["timestream"]
    role = _rights("rule-role-policy.json")
    assert f"FROM '{Settings().iot_topic_filter}'" in rule["sql"]
    assert role["timestream:WriteRecords"] == {
        f"database/{timestream['databaseName']}/table/{timestream['tableName']}"
    }
    assert role["logs:PutLogEvents"] == {
        f"log-group:{rule['errorAction']['cloudwatchLogs']['logGroupName']}:*"
    }
    (trust,) = json.loads((FOLDER / "rule-trust-policy.json").read_text())["Statement"]
    (name,) = (command[3] for command in commands() if "file://topic-rule.json" in command)
    assert trust["Condition"]["ArnLike"]["aws:SourceArn"].endswith(f":rule/{name}")


def test_the_rule_of_the_lambda_function_calls_it_and_may() -> None:
    """With what the handler reads, of the bridge's messages; failures go where it may send them."""
    rule = json.loads((FOLDER / "lambda" / "topic-rule.json").read_text())
    assert f"FROM '{Settings().iot_topic_filter}'" in rule["sql"]
    for name in (*PLACE_FIELDS, SEALED, "AS device_id", "AS time_ms"):
        assert name in rule["sql"]
    by_name = {(command[0], command[1]): command for command in commands() if command[0] == "lambda"}
    function = _option(by_name["lambda", "create-function"], "--function-name")
    assert rule["actions"][0]["lambda"]["functionArn"].endswith(f":function:{function}")
    permission = by_name["lambda", "add-permission"]
    (rule_name,) = (command[3] for command in commands() if "file://lambda/topic-rule.json" in command)
    assert _option(permission, "--function-name") == function
    assert _option(permission, "--source-arn").endswith(f":rule/{rule_name}")
    failures = json.loads((FOLDER / "lambda" / "destinations.json").read_text())["OnFailure"]["Destination"]
    assert _rights("lambda/function-role-policy.json")["sqs:SendMessage"] == {failures.split(":")[-1]}
    environment = json.loads((FOLDER / "lambda" / "environment.json").read_text())["Variables"]
    settings = Settings.from_env(environment)
    assert _rights("lambda/function-role-policy.json")["timestream:WriteRecords"] == {
        f"database/{settings.timestream_database}/table/{settings.timestream_sensor_table}"
    }


def _option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def _rights(name: str) -> dict[str, set[str]]:
    """Action -> resources, without account and region."""
    rights: dict[str, set[str]] = {}
    for statement in json.loads((FOLDER / name).read_text())["Statement"]:
        for action in _listed(statement["Action"]):
            found = {resource.split(":", 5)[-1] for resource in _listed(statement["Resource"])}
            rights[action] = rights.get(action, set()) | found
    return rights


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
