"""Job files -> jobs, or every mistake in all of them at once, with file and line.

A broken file never stops the others, and nothing that a file holds makes `load` raise.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rotator.errors import Mistake
from rotator.jobs import checks
from rotator.jobs.build import Common, Draft, credential, digest
from rotator.jobs.document import Document, Flaw, legible, read
from rotator.jobs.environment import Environment, refuse_literals
from rotator.jobs.fields import NAME, CredentialModel, LimitsModel, ScheduleModel
from rotator.jobs.folder import listed
from rotator.jobs.job import Credential, Job, JobBook
from rotator.jobs.report import Report, near
from rotator.jobs.secret_fields import SecretSettings, secret_name
from rotator.jobs.toml_lines import Place
from rotator.providers.base import Plugin, Provider
from rotator.providers.registry import plugins as all_plugins
from rotator.settings import Settings

__all__ = ["Credential", "Job", "JobBook", "load"]

_COMMON = ("provider", "schedule", "limits", "secret", "credentials")
_PER_CREDENTIAL = ("name", "seeds")

_KINDS = ("name", "keyring_name")

_Model = TypeVar("_Model", bound=BaseModel)


def load(
    folder: Path,
    settings: Settings,
    environ: Mapping[str, str],
    plugins: Mapping[str, Plugin] | None = None,
) -> JobBook:
    """All jobs of a folder and all mistakes in its files. Never raises for what files hold."""
    known = all_plugins() if plugins is None else plugins
    try:
        found = listed(folder)
    except OSError as error:
        text = f"the folder of job files cannot be read: {(error.strerror or '?').lower()}"
        remedy = "`rotator init` makes it, or set ROTATOR_JOBS_DIR to where they are"
        unread = Mistake(str(folder), 1, "", text, remedy)
        return JobBook((), (unread,), unread)
    files = [_File(path, settings, environ, known) for path in found.jobs]
    jobs = [job for file in files if (job := file.job())]
    checks.keep_apart(claim for file in files for claim in file.writes)
    mistakes = sorted(mistake for file in files for mistake in file.report.mistakes)
    wrong = {mistake.file for mistake in mistakes}
    sound = tuple(job for job in jobs if job.file not in wrong)
    return JobBook(sound, tuple(mistakes), strays=tuple(map(str, found.strays)))


class _File:
    """One job file, from its bytes to a job."""

    def __init__(
        self,
        path: Path,
        settings: Settings,
        environ: Mapping[str, str],
        plugins: Mapping[str, Plugin],
    ) -> None:
        self.report = Report(str(path))
        self.writes: list[checks.Claim] = []
        self._path, self._settings, self._environ = path, settings, environ
        self._plugins = plugins

    def job(self) -> Job | None:
        """The job, None where there is a mistake."""
        try:
            document, flaws = legible(read(self._path))
        except Flaw as flaw:
            document, flaws = None, [flaw]
        self.report = Report(str(self._path), document)
        for each in flaws:
            self.report.add((), each.text, each.remedy, each.line)
        if document is None:
            return None
        self.report.torn = bool(flaws)
        self._look_over(document)
        plugin = self._plugin(document.tree.get("provider"))
        refuse_literals(self.report, document.tree, plugin)
        environment = Environment(self._environ, self._settings, self.report, plugin)
        tree = environment.settled(document.tree)
        return self._made(tree, plugin, environment.off)

    def _look_over(self, document: Document) -> None:
        if self._path.suffix != ".toml" or not NAME.fullmatch(self._path.stem):
            remedy = "call it [a-z0-9][a-z0-9_-]*.toml, at most 64 before the dot"
            self.report.add((), "the file's name is the job's, and this is none", remedy)
        for oddity in document.oddities():
            self.report.add(*oddity)

    def _plugin(self, name: object) -> Plugin | None:
        plugin = self._plugins.get(name) if isinstance(name, str) else None
        if plugin is None:
            text = "missing" if name is None else "no such provider"
            remedy = near(name if isinstance(name, str) else "", self._plugins)
            self.report.add(("provider",), text, remedy)
        return plugin

    def _made(self, tree: dict[str, Any], plugin: Plugin | None, off: str) -> Job | None:
        schedule = self._valid(ScheduleModel, tree.get("schedule", {}), ("schedule",))
        limits = self._valid(LimitsModel, tree.get("limits", {}), ("limits",))
        secret = self._valid(SecretSettings, tree.get("secret", {}), ("secret",))
        rest = {key: value for key, value in tree.items() if key not in _COMMON}
        own = self._valid(plugin.job, rest, (), _COMMON) if plugin else None
        drafts = list(self._drafts(tree.get("credentials"), plugin, secret))
        if plugin and schedule:
            checks.schedule(self.report, schedule.facts(), plugin)
            if limits:
                facts = schedule.facts(), limits.facts()
                checks.limits(self.report, *facts, plugin, len(drafts))
        if self.report.mistakes or not (plugin and schedule and limits and secret):
            return None
        common = Common(self._path.stem, plugin, schedule.facts(), limits.facts(), secret, own)
        built = () if off else tuple(self._built(common, drafts))
        return Job(
            name=common.job,
            file=str(self._path),
            provider_name=plugin.name,
            plugin=plugin,
            schedule=common.schedule,
            secret=secret,
            credentials=built,
            digest=digest(common, drafts),
            off=off,
        )

    def _valid(
        self, model: type[_Model], raw: object, place: Place, also: Sequence[str] = ()
    ) -> _Model | None:
        try:
            found = model.model_validate(raw)
        except ValidationError as error:
            self.report.told(error, place, model, also)
            rest = _without_unknown(raw, error)
            return None if rest is None else self._valid(model, rest, place, also)
        checks.urls(self.report, place, found, self._settings)
        return found

    def _drafts(
        self, raw: object, plugin: Plugin | None, secret: SecretSettings | None
    ) -> Iterator[Draft]:
        if not isinstance(raw, list) or not raw:
            text = "not a list of tables" if raw else "no credentials"
            self.report.add(("credentials",), text, 'write [[credentials]], then name = "…"')
            return
        seen: dict[object, Place] = {}
        for index, each in enumerate(raw):
            place = ("credentials", index)
            if not isinstance(each, dict):
                self.report.add(place, "not a table", 'write [[credentials]], then name = "…"')
                continue
            if (first := seen.setdefault(str(each.get("name", index)), place)) != place:
                text = f"the second credential of this name, after line {self.report.line(first)}"
                self.report.add((*place, "name"), text, "give each a name of its own")
            if draft := self._draft(each, place, plugin, secret):
                yield draft

    def _draft(
        self,
        raw: dict[str, Any],
        place: Place,
        plugin: Plugin | None,
        secret: SecretSettings | None,
    ) -> Draft | None:
        given = {key: raw[key] for key in _PER_CREDENTIAL if key in raw}
        rest = {key: value for key, value in raw.items() if key not in _PER_CREDENTIAL}
        found = self._valid(CredentialModel, given, place)
        own = self._valid(plugin.credential, rest, place, _PER_CREDENTIAL) if plugin else None
        if not (found and plugin):
            return None
        base = (*place, "seeds")
        refs = checks.seeds(self.report, base, found.seeds, plugin, self._settings)
        if not secret:
            return None
        token, keyring = (self._secret_name(secret, kind, found.name, place) for kind in _KINDS)
        return Draft(found.name, place, own, refs, token, keyring)

    def _secret_name(self, secret: SecretSettings, kind: str, credential: str, place: Place) -> str:
        """The secret's name; a wrong one is told at its template, or else at the credential."""
        at = ("secret", kind) if kind in secret.model_fields_set else (*place, "name")
        prefix = self._settings.secret_prefix
        if not NAME.fullmatch(self._path.stem):
            return ""  # told already
        try:
            name = secret_name(getattr(secret, kind), prefix, self._path.stem, credential)
        except ValueError as error:
            self.report.add(at, str(error))
            return ""
        checks.secret_prefix(self.report, at, self._settings, name, kind)
        return name

    def _built(self, common: Common, drafts: Sequence[Draft]) -> Iterator[Credential]:
        for draft in drafts:
            if provider := self._provider(common, draft):
                built = credential(common, draft, provider)
                for spec in built.secrets.values():
                    claim = checks.Claim(spec.name, built.qualified, draft.place, self.report)
                    self.writes.append(claim)
                yield built

    def _provider(self, common: Common, draft: Draft) -> Provider | None:
        try:
            return common.plugin.build(common.own, draft.own, frozenset(draft.seeds))
        except ValueError as error:
            said = str(error)
        except Exception as error:  # noqa: BLE001 - a plug-in may break, the other jobs go on
            said = f"the plug-in broke ({type(error).__name__}); tell its author"
        self.report.add(draft.place, said)
        return None


def _without_unknown(raw: object, error: ValidationError) -> object:
    """The same without unknown fields, so that what else is wrong is told too; else None."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(each["type"] != "extra_forbidden" for each in found):
        return None
    rest = deepcopy(raw)
    try:
        for each in found:
            *path, last = each["loc"]
            table: Any = rest
            for part in path:
                table = table[part]
            del table[last]
    except (KeyError, IndexError, TypeError):  # pydantic's places may end in names of its own
        return None
    return rest
