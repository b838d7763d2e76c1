"""Look, take one step, look again: the only room that changes the world.

`walk` is the loop. `look` gathers the facts: what store and ledger say (`remembered`), what may be
presented (`holdings`, of the `candidates`, but for `refusals` and `doubts`), what is called for
(`wants`, `pairs`, `outlived`). A module for each line of the plan that is more than a few lines
acts, with `hands`; `steps` has the others. `reading` says what an answer means, `resting` what
every face shows until the next walk. What people do to a chain is in `keyring`.

What a step changes in the ledger and its line of the history are one transaction: a worker that is
killed loses at most the lines of an OBTAIN, KEEP or PUBLISH, and the next walk tells of the same
generation again, by a READ of the sealed answer or by what it finds in the store.
"""
