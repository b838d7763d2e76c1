"""AWS Secrets Manager as a state machine: strict where AWS is strict, and no I/O at all.

    service = SecretsManager(clock.now, clock.monotonic)
    service.call("CreateSecret", {"Name": "a", "ClientRequestToken": token, "SecretString": "s"})

Reach it with real boto3 through `secrets_manager_hook` (in process) or `secrets_manager_http`
(loopback). What it refuses outright is in `secrets_manager_rules`; versions and labels in
`secrets_manager_versions`; what can be made to go wrong in `secrets_manager_faults`.
Not here: RotateSecret and its schedule, random passwords, replicas that can be read.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar

from rotator.sandbox import secrets_manager_reads as reads
from rotator.sandbox import secrets_manager_rules as rules
from rotator.sandbox import secrets_manager_upkeep as upkeep
from rotator.sandbox import secrets_manager_writes as writes
from rotator.sandbox.secrets_manager_account import Account, Authorize
from rotator.sandbox.secrets_manager_faults import Call, Faults, Stats
from rotator.sandbox.secrets_manager_listing import Answer
from rotator.sandbox.secrets_manager_rules import AwsError, NoAnswer, Params
from rotator.sandbox.secrets_manager_versions import AwsSecret

OPERATIONS: Mapping[str, Callable[[Account, Params], Answer]] = {
    "CreateSecret": writes.create_secret,
    "PutSecretValue": writes.put_secret_value,
    "UpdateSecret": writes.update_secret,
    "UpdateSecretVersionStage": writes.update_secret_version_stage,
    "GetSecretValue": reads.get_secret_value,
    "BatchGetSecretValue": reads.batch_get_secret_value,
    "DescribeSecret": reads.describe_secret,
    "ListSecretVersionIds": reads.list_secret_version_ids,
    "ListSecrets": reads.list_secrets,
    "GetResourcePolicy": reads.get_resource_policy,
    "DeleteSecret": upkeep.delete_secret,
    "RestoreSecret": upkeep.restore_secret,
    "TagResource": upkeep.tag_resource,
    "UntagResource": upkeep.untag_resource,
    "PutResourcePolicy": upkeep.put_resource_policy,
    "ReplicateSecretToRegions": upkeep.replicate_secret_to_regions,
    "RemoveRegionsFromReplication": upkeep.remove_regions_from_replication,
}


class SecretsManager:
    """One account in one Region. Thread-safe."""

    target: ClassVar[str] = "secretsmanager"
    signs_as: ClassVar[str] = "secretsmanager"

    def __init__(
        self,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] | None = None,
        *,
        authorize: Authorize | None = None,
        pause: Callable[[float], object] | None = None,
        region: str = "eu-central-1",
        log_size: int | None = None,
    ) -> None:
        """`monotonic`: the seconds that rates are counted in, default those of `now`.

        `pause` lets a latency pass, default in real time; `log_size` bounds the log of calls.
        """
        self._now = now
        seconds = monotonic or (lambda: now().timestamp())
        self.account = Account(region, "111122223333")
        self.account.authorize = authorize
        self.faults = Faults(now, seconds)
        self.stats = Stats(seconds, log_size)
        self.lock = threading.RLock()
        self._pause = pause or threading.Event().wait

    def call(self, operation: str, params: Params, principal: str = "") -> Answer:
        """The answer as JSON would carry it. Raises AwsError, or NoAnswer where none comes."""
        if self.faults.latency:
            self._pause(self.faults.latency)
        with self.lock:
            self.account.at, self.account.lag = self._now(), self.faults.lag
            self.account.principal = principal
            self.stats.count(operation)
            outcome = "ok"
            try:
                return self._carry_out(operation, params)
            except AwsError as error:
                outcome = error.code
                raise
            except NoAnswer as silence:
                outcome = str(silence)
                raise
            finally:
                self.stats.versions = self.account.versions_made
                self._log(operation, params, outcome)

    def secret(self, name: str) -> AwsSecret | None:
        """What is there now, for a test to look at; None where there is nothing."""
        with self.lock:
            self.account.at = self._now()
            return self.account.now(name)

    def _carry_out(self, operation: str, params: Params) -> Answer:
        run = OPERATIONS.get(operation)
        if run is None:
            raise AwsError("UnknownOperationException", "There is no such operation.")
        self.faults.before(operation)
        self.account.permit(operation, params)
        rules.check(operation, params)
        answer = run(self.account, params)
        self.faults.after(operation)
        return answer

    def _log(self, operation: str, params: Params, outcome: str) -> None:
        secret_id = params.get("SecretId", params.get("Name", ""))
        name = self.account.name_in(secret_id) if rules.is_secret_id(secret_id) else ""
        line = Call(operation, name, self.account.at, self.account.principal, outcome)
        self.stats.log.append(line)
