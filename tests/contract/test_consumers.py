"""What deploy/consumers/ says agrees with what the worker writes and what consumers may read.

Core kinds of Kubernetes and CloudFormation are judged by .ci/deploy; the recipes by `make readers`.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from jsonschema import Draft202012Validator
from moto.events.models import EventPattern

from rotator.durations import parse
from rotator.sandbox.iam import Guard
from rotator.sandbox.secrets_manager_hook import client_for
from tests.integration.town import Town, town

FOLDER = Path(__file__).parents[2] / "deploy" / "consumers"
SCHEMAS = Path(__file__).parent / "schemas"
CONSUMER = json.loads((FOLDER.parent / "iam" / "consumer.json").read_text())
NAME = "rotator/token/alation/etl"
RESTARTS = ("restart-ecs", "restart-kubernetes")


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A worker has published alation/etl."""
    with town(tmp_path_factory.mktemp("town")) as built:
        assert built.run("rotate", "alation/etl").code == 0
        yield built


@pytest.fixture(scope="module")
def written(worked: Town) -> dict[str, str]:
    return worked.secret("alation/etl")


class _Template(yaml.SafeLoader):
    """CloudFormation: `!Ref X` is read as {"!Ref": "X"}."""


def _tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    del loader
    return {f"!{tag}": node.value}


_Template.add_multi_constructor("!", _tagged)


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def template(name: str) -> Any:
    return yaml.load((FOLDER / f"{name}.yaml").read_text(), _Template)  # noqa: S506 - a safe one


def judge(name: str, part: str = "") -> Draft202012Validator:
    """`part`: of the schema's definitions; unset, the whole."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema["$defs"][part] if part else schema)


def accepted(service: str, operation: str, params: dict[str, Any]) -> str:
    """What botocore has against these parameters; empty: nothing."""
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    report: str = ParamValidator().validate(params, shape).generate_report()
    return report


def valued_from() -> list[tuple[str, str, str, str]]:
    """Of ECS's secrets: ARN, JSON key, label and version id."""
    definition = json.loads((FOLDER / "ecs-task-definition.json").read_text())
    (container,) = definition["containerDefinitions"]
    parts = [secret["valueFrom"].split(":") for secret in container["secrets"]]
    return [(":".join(each[:7]), *each[7:]) for each in parts]


def mounted() -> list[dict[str, Any]]:
    """What AWS's provider reads out of the text of a SecretProviderClass."""
    (manifest,) = documents("secret-provider-class.yaml")
    found: list[dict[str, Any]] = yaml.safe_load(manifest["spec"]["parameters"]["objects"])
    return found


def synced() -> list[dict[str, str]]:
    """What External Secrets Operator is asked to fetch."""
    _, secret = documents("external-secret.yaml")
    return [each["remoteRef"] for each in secret["spec"]["data"]]


def test_ecs_takes_the_task_definition() -> None:
    definition = json.loads((FOLDER / "ecs-task-definition.json").read_text())
    assert accepted("ecs", "RegisterTaskDefinition", definition) == ""


def test_every_value_that_ecs_injects_is_one_that_the_worker_writes(
    written: dict[str, str],
) -> None:
    for arn, key, label, version in valued_from():
        assert re.sub("-[A-Za-z0-9]{6}$", "", arn.rpartition(":")[2]) == NAME
        assert written[key]
        assert (label, version) == ("AWSCURRENT", "")


def test_lambda_takes_the_function() -> None:
    function = json.loads((FOLDER / "lambda.json").read_text())
    assert accepted("lambda", "CreateFunction", function) == ""
    assert 0 < int(function["Environment"]["Variables"]["SECRETS_MANAGER_TTL"]) <= 300


def test_the_operator_takes_its_manifest() -> None:
    for manifest in documents("external-secret.yaml"):
        judge("external-secret").validate(manifest)


def test_the_operator_copies_what_the_worker_writes(written: dict[str, str]) -> None:
    for reference in synced():
        assert (reference["key"], reference["version"]) == (NAME, "AWSCURRENT")
        assert written[reference["property"]]


def test_the_operator_reads_again_within_the_staleness_that_jobs_have_by_default() -> None:
    store, secret = documents("external-secret.yaml")
    kubelet = parse("2m")
    assert parse(secret["spec"]["refreshInterval"]) + kubelet < parse("15m")
    reference = {
        key: store[key] if key == "kind" else store["metadata"][key] for key in ("kind", "name")
    }
    assert secret["spec"]["secretStoreRef"] == reference


def test_the_driver_takes_its_manifest() -> None:
    (manifest,) = documents("secret-provider-class.yaml")
    judge("secret-provider-class").validate(manifest)
    judge("secret-provider-class", "objects").validate(mounted())


def test_the_driver_mounts_strings_that_the_worker_writes(written: dict[str, str]) -> None:
    """Its provider fails the whole mount on a missing key, and on whatever is no string."""
    for each in mounted():
        assert (each["objectName"], each["objectVersionLabel"]) == (NAME, "AWSCURRENT")
        for path in each["jmesPath"]:
            assert path["path"].isidentifier(), "plain keys alone: JMESPath's own signs need quotes"
            assert isinstance(written[path["path"]], str)


def test_pods_mount_what_is_made_for_them() -> None:
    account, *deployments = documents("kubernetes.yaml")
    store, secret = documents("external-secret.yaml")
    (provider_class,) = documents("secret-provider-class.yaml")
    reader = store["spec"]["provider"]["aws"]["auth"]["jwt"]["serviceAccountRef"]["name"]
    assert reader == account["metadata"]["name"]
    pods = [each["spec"]["template"]["spec"] for each in deployments]
    assert {pod["serviceAccountName"] for pod in pods} == {reader}
    (copied,), (mounted_,) = (pod["volumes"] for pod in pods)
    assert copied["secret"]["secretName"] == secret["spec"]["target"]["name"]
    attributes = mounted_["csi"]["volumeAttributes"]
    assert attributes["secretProviderClass"] == provider_class["metadata"]["name"]
    everything = [account, *deployments, store, secret, provider_class]
    assert {each["metadata"]["namespace"] for each in everything} == {"reports"}
    assert "subPath" not in json.dumps(deployments), "a file mounted so is never updated"


def test_the_agent_takes_its_settings() -> None:
    """The names and ranges are those of the agent's own README."""
    settings = tomllib.loads((FOLDER / "agent.toml").read_text())
    assert settings.keys() <= {
        "log_level", "log_to_file", "http_port", "region", "ttl_seconds", "cache_size",
        "ssrf_headers", "ssrf_env_variables", "path_prefix", "max_conn",
    }  # fmt: skip
    assert settings["log_level"] in {"DEBUG", "INFO", "WARN", "ERROR", "NONE"}
    assert 1024 <= settings["http_port"] <= 65_535
    assert 0 < settings["ttl_seconds"] <= 900
    assert settings["ssrf_headers"] == ["X-Aws-Parameters-Secrets-Token"]


def test_consumers_may_read_all_that_is_named_and_nothing_in_the_keyring(worked: Town) -> None:
    named = {NAME, *(each["key"] for each in synced()), *(each["objectName"] for each in mounted())}
    worked.aws.account.authorize = Guard(worked.aws, {"consumer": [CONSUMER]})
    consumer = client_for(worked.aws, "consumer")
    for name in named:
        assert consumer.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"]
        assert consumer.describe_secret(SecretId=name)["Name"] == name
    with pytest.raises(ClientError, match="AccessDenied"):
        consumer.get_secret_value(SecretId=NAME.replace("token", "keyring"))


def test_one_account_and_region_everywhere() -> None:
    (statement,) = (each for each in CONSUMER["Statement"] if each["Sid"] == "ReadTokens")
    region, account = statement["Resource"].split(":")[3:5]
    arns = [arn.split(":")[3:5] for arn, *_ in valued_from()]
    store, _ = documents("external-secret.yaml")
    (provider_class,) = documents("secret-provider-class.yaml")
    agent = tomllib.loads((FOLDER / "agent.toml").read_text())
    assert arns == [[region, account]] * len(arns)
    assert store["spec"]["provider"]["aws"]["region"] == region
    assert provider_class["spec"]["parameters"]["region"] == agent["region"] == region


def moved(**changed: str) -> dict[str, Any]:
    """The event of a label that moved, as AWS documents it; `changed` in its detail."""
    detail = {"name": NAME, "labelUpdated": "AWSCURRENT", "versionId": "0" * 32}
    return {
        "version": "0",
        "id": "6a7e8feb-0000-0000-0000-000000000000",
        "detail-type": "Secret Label Updated",
        "source": "aws.secretsmanager",
        "account": "111122223333",
        "time": "2026-11-22T02:14:00Z",
        "region": "eu-central-1",
        "resources": [f"arn:aws:secretsmanager:eu-central-1:111122223333:secret:{NAME}-AbCdEf"],
        "detail": {**detail, **changed},
    }


def matches(pattern: str, event: dict[str, Any]) -> bool:
    """Whether EventBridge would deliver it: moto keeps its rules."""
    return bool(EventPattern.load(pattern).matches_event(cast(Any, event)))


def pattern_of(name: str) -> str:
    """A template's, with its parameter filled in."""
    found = template(name)["Resources"]["Rotated"]["Properties"]["EventPattern"]
    text = json.dumps(found).replace('{"!Ref": "SecretName"}', json.dumps(NAME))
    assert "!" not in text
    return text


@pytest.mark.parametrize("name", RESTARTS)
def test_a_rotation_restarts_consumers_and_nothing_else_does(name: str) -> None:
    pattern = pattern_of(name)
    assert matches(pattern, moved())
    assert not matches(pattern, moved(labelUpdated="team-label"))
    assert not matches(pattern, moved(name="rotator/token/alation/other"))
    assert not matches(pattern, moved(name=NAME.replace("token", "keyring")))
    assert not matches(pattern, {**moved(), "detail-type": "AWS API Call via CloudTrail"})
    assert not matches(pattern, {**moved(), "source": "aws.ecs"})


def test_the_pattern_of_the_page_hears_of_every_token_and_of_no_keyring() -> None:
    pattern = (FOLDER / "README.md").read_text().partition("```json\n")[2].partition("```")[0]
    assert matches(pattern, moved())
    assert matches(pattern, moved(name="rotator/token/albato/sales"))
    assert not matches(pattern, moved(name=NAME.replace("token", "keyring")))


def test_the_state_machine_asks_ecs_for_what_ecs_knows() -> None:
    machine = template("restart-ecs")["Resources"]["Restart"]["Properties"]["Definition"]
    (state,) = machine["States"].values()
    assert state["Resource"]["!Sub"].endswith(":states:::aws-sdk:ecs:updateService")
    params = {key[0].lower() + key[1:]: value for key, value in state["Parameters"].items()}
    assert accepted("ecs", "UpdateService", params) == ""
    assert params["forceNewDeployment"] is True


def test_who_restarts_a_rollout_may_restart_that_one_and_no_other() -> None:
    account, role, binding, jobs, group = documents("restart-kubernetes-rbac.yaml")
    whole = template("restart-kubernetes")
    (state,) = whole["Resources"]["Restart"]["Properties"]["Definition"]["States"].values()
    pod = state["Parameters"]["Job"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    assert role["rules"] == [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "resourceNames": [whole["Parameters"]["Deployment"]["Default"]],
            "verbs": ["get", "patch"],
        }
    ]
    assert jobs["rules"] == [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert group["subjects"][0]["name"] in (FOLDER / "restart-kubernetes.yaml").read_text()


def test_links_lead_somewhere() -> None:
    page = (FOLDER / "README.md").read_text()
    for target in re.findall(r"\]\((?!https:)([^)#]+)(?:#[^)]*)?\)", page):
        assert (FOLDER / target).is_file(), target
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower().lstrip("# ")).replace(" ", "-")
        for line in page.splitlines()
        if line.startswith("#")
    }
    top = (FOLDER.parents[1] / "README.md").read_text()
    anchors = re.findall(r"\]\(#([^)]+)\)", page)
    anchors += re.findall(r"\]\(deploy/consumers/README\.md#([^)]+)\)", top)
    assert set(anchors) <= headings
