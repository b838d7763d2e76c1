"""What deploy/ says of us is so. Each file's own form is judged by .ci/deploy."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from rotator.environment import load_settings
from rotator.jobs.files import load
from rotator.settings import Settings, variable

FOLDER = Path(__file__).parents[2] / "deploy"
FILES = sorted(
    path for path in FOLDER.rglob("*") if path.is_file() and not path.name.startswith("rotator.key")
)


@pytest.fixture(scope="module")
def ecs() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("ecs", "service-2"), "ecs")


def text(name: str) -> str:
    return (FOLDER / name).read_text()


def loaded(name: str) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(text(name))
    return whole


@pytest.mark.parametrize(
    ("name", "operation"),
    [("task-definition", "RegisterTaskDefinition"), ("service", "CreateService")],
)
def test_ecs_takes_what_it_is_given(ecs: ServiceModel, name: str, operation: str) -> None:
    shape = ecs.operation_model(operation).input_shape
    assert shape is not None
    report = ParamValidator().validate(loaded(f"ecs/{name}.json"), shape)
    assert report.generate_report() == ""


def test_verbs_run_on_ecs_as_the_readme_says() -> None:
    assert loaded("ecs/service.json")["enableExecuteCommand"] is True
    (container,) = loaded("ecs/task-definition.json")["containerDefinitions"]
    readme = (FOLDER.parent / "README.md").read_text() + text("README.md")
    asked = re.findall(r"execute-command .*--container (\S+)", readme)
    assert set(asked) == {container["name"]}
    writable = {each["containerPath"] for each in container["mountPoints"] if not each["readOnly"]}
    agent = {"/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm"}
    assert agent < writable, "the agent of ECS Exec writes there, whatever the root file system is"


def test_ecs_stops_the_old_worker_before_it_starts_the_new_one() -> None:
    service = loaded("ecs/service.json")
    deployment = service["deploymentConfiguration"]
    assert service["desiredCount"] == 1
    assert deployment["minimumHealthyPercent"] == 0
    assert deployment["maximumPercent"] == 100
    assert service["availabilityZoneRebalancing"] == "DISABLED"


def test_so_does_kubernetes() -> None:
    manifest = text("kubernetes/rotator.yaml")
    assert re.findall(r"^kind: (StatefulSet|Deployment)$", manifest, re.MULTILINE) == [
        "StatefulSet"
    ]
    assert re.findall(r"replicas: (\d+)", manifest) == ["1"]
    assert "ReadWriteOncePod" in manifest


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_every_setting_that_is_named_is_one(path: Path) -> None:
    known = {variable(field) for field in Settings.model_fields}
    named = set(re.findall(r"\bROTATOR_[A-Z_]+\b", path.read_text())) - {"ROTATOR_"}
    assert named <= known


def test_the_example_of_settings_starts_the_example_of_a_job() -> None:
    lines = [line for line in text("rotator.env.example").splitlines() if line]
    taken = dict(line.removeprefix("# ").split("=", 1) for line in lines if "=" in line)
    settings = load_settings(taken | {"HOME": "/var/lib/rotator"})
    assert len(settings.alert_urls) == 2
    book = load(FOLDER.parent / "jobs", settings, taken)
    assert "alation/etl" in book.credentials
    assert not book.mistakes


def test_the_same_user_everywhere() -> None:
    users = re.findall(
        r"(?:USER |--uid |runAsUser: |fsGroup: |-o )(10001|\d{3,})\b",
        text("Dockerfile") + text("kubernetes/rotator.yaml"),
    )
    assert set(users) == {"10001"}
    assert loaded("ecs/task-definition.json")["containerDefinitions"][0]["user"] == "10001:10001"


def test_no_port_is_opened() -> None:
    assert "EXPOSE" not in text("Dockerfile")
    assert not re.search(r"^\s*(ports|expose):", text("compose.yaml"), re.MULTILINE)
    assert "containerPort" not in text("kubernetes/rotator.yaml")
    assert "portMappings" not in text("ecs/task-definition.json")


def test_a_worker_is_given_ten_minutes_to_end() -> None:
    """A sealed write that fails is tried until it succeeds; SIGKILL is what loses it."""
    assert "TimeoutStopSec=10min" in text("systemd/rotator.service")
    assert "stop_grace_period: 10m" in text("compose.yaml")
    assert "terminationGracePeriodSeconds: 600" in text("kubernetes/rotator.yaml")
    assert loaded("ecs/task-definition.json")["containerDefinitions"][0]["stopTimeout"] == 600


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", text("README.md")):
        assert (FOLDER / target).is_file()
    headings = {
        re.sub(r"[^a-z -]", "", line.lower().lstrip("# ")).replace(" ", "-")
        for line in text("README.md").splitlines()
        if line.startswith("#")
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", text("README.md")):
        assert anchor in headings
