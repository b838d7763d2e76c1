"""The keys of what `--json` prints, verb by verb: a contract. Keys are only ever added.

Instants are RFC 3339 in UTC with Z, durations whole seconds (or, where the key says so,
milliseconds); what is unknown is null. A verb that takes several credentials prints a list.
"""

from collections.abc import Mapping

KEYS: Mapping[str, Mapping[str, str]] = {
    "status": {
        "credentials": "a list; the keys of each are below",
        "off": "object: jobs that are off -> the variable that is not set",
        "mistakes": "how many mistakes the job files have",
        "worker": "whether a worker is alive",
    },
    "status credentials": {
        "credential": "job/credential",
        "state": "fresh, due, rotating, backing off, late, expired, needs a person or paused",
        "reason": "why, of a closed list",
        "text": "for a person: what to do, or what failed",
        "class": "of the trouble, where there is any: network, revoked, AWS denied …",
        "action": "what comes next, or what a person does about that class",
        "access_expires_at": "when the published token dies",
        "access_renew_at": "when it should be replaced",
        "refresh_expires_at": "when the refresh token dies",
        "refresh_renew_at": "when it should be replaced",
        "margin_seconds": "how long consumers stay healthy if everything stopped now",
        "due_at": "the next look",
        "generation": "of the published token",
        "job_file": "whether a job file gives it",
        "consumers": "consumer, generation and seen_at of each that reported within the last hour",
    },
    "explain": {
        "credential": "job/credential",
        "at": "the instant of the look",
        "met": "whether a worker has met it; if not, this is what the first look would find",
        "provider": "its name",
        "host": "where its requests go",
        "state": "as last stored",
        "text": "for a person",
        "class": "of the trouble, where there is any",
        "action": "what comes next, or what a person does about that class",
        "secrets": "kind, name, version, generation, agreement, on_record, issued_at, expires_at,"
        " fingerprint, another_ledger of each secret; equal fingerprints are one token",
        "answers": "request, grant, generation, answered_at, read_at, outcome, tokens of each"
        " sealed answer",
        "requests": "request, grant, generation, intended_at, settles_at, presents, spends of each"
        " request without an answer",
        "marks": "kind, fingerprint, because, at, text, times, again_at of each mark; fingerprint"
        " is null where it bars not a token but a whole request",
        "back_offs": "line, until, failures, reason, text, class, action of each that holds",
        "asked": "request, at, by, why, tokens, outcome of each person's request that is not met",
        "tokens": "token, issued_at, expires_at, renew_at, gave_way of the newest of each name",
        "wants": "token, reason, grant, presents, open_until of each token wanted now",
        "missing_seeds": "in words",
        "next": "step, line, reason, subject, until, due_at",
    },
    "history": {
        "credential": "job/credential",
        "at": "when the step began",
        "run": "the id of the run",
        "seq": "the step's place in it, from 0",
        "step": "mend, read, drop, keep, publish, settle, obtain or revoke; look or walk where that"
        " failed",
        "reason": "why, of a closed list",
        "outcome": "ok, tokens, or the class of the error",
        "text": "in words",
        "class": "of the trouble, where the step failed: network, revoked, AWS denied …",
        "action": "what comes next, or what a person does about that class",
        "duration_ms": "how long it took",
        "cause": "schedule, or who asked and why",
    },
    "check": {
        "findings": "a list; the keys of each are below",
        "iam": "the policy that the worker needs",
    },
    "check findings": {
        "level": "ok, off, note (to know), warn or fail (to mend)",
        "part": "a job, a file with mistakes, `this machine` or `AWS`",
        "about": "a credential, a host, a folder or a line of a file",
        "what": "job file, mistake, state folder, sealing key, access_token, refresh_token, limit,"
        " cannot, seed NAME, provider or AWS",
        "text": "in words",
        "remedy": "what to do",
    },
    "health": {
        "healthy": "whether a worker sweeps and keeps up",
        "text": "in words",
        "swept_at": "the last sweep",
        "waiting": "the credential that has waited too long",
        "due_at": "since when",
    },
    "rotate": {
        "credential": "job/credential",
        "outcome": "rotated, asked, waiting, failed, paused, skipped or needs a person",
        "text": "the cause, if it was not rotated, or what to do",
        "request": "the id of the stored request",
        "state": "the credential's, afterwards",
        "reason": "the class of the failure, of a closed list",
        "next_at": "when the worker tries again by itself",
    },
    "seed": {
        "credential": "job/credential",
        "inspection": "what the provider says of the token: alive, dead or unknown",
        "text": "its words",
        "dry_run": "whether nothing was written",
        "expires_at": "when the token dies",
        "asks_expires_at": "of a dry run: whether a person must tell when it dies",
        "generation": "as which it was kept; 0: it was not",
        "request": "the id of the request for a fresh access token",
        "worker": "whether a worker is alive to go on",
    },
    "adopt": {
        "credential": "job/credential",
        "outcome": "adopted, skipped, failed or needs a person",
        "text": "in words",
        "inspection": "what the provider says of the token: alive, dead or unknown",
        "generation": "as which it was kept; 0: it was not",
    },
    "pause": {"credential": "job/credential", "outcome": "paused, or was paused already"},
    "resume": {"credential": "job/credential", "outcome": "resumed, or was not paused"},
    "forget": {
        "credential": "job/credential",
        "secrets": "the names of those that were scheduled for deletion",
        "job_file": "whether a job file still gives it",
    },
    "migrate": {
        "schema": "the ledger's, now",
        "copy": "the file from before, if there was anything to do",
    },
    "rekey": {
        "held_by": "who holds the sealing key now: file, or the ARN of a KMS key",
        "before": "who held it before; empty: there was none",
        "fresh": "whether it was replaced; false: it had moved there already",
    },
    "init": {"provider": "its name", "file": "what was written"},
}
"""`token --json` prints what consumers read, which is a contract of its own."""
