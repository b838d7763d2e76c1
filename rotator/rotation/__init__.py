"""Look, take one step, look again: the only room that changes the world.

`walk` is the loop, `look` gathers the facts (with `holdings` and `wants`), `steps` and `obtain`
act, `reading` says what an answer means, `resting` what every face shows until the next walk.
"""
