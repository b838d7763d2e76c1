"""What holds for every test."""

from functools import cache

import botocore.session
from hypothesis import settings

# A deadline is a timed assertion, and fails on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Each of hundreds of AWS sessions would parse a megabyte of botocore's own data anew.
botocore.session.create_loader = cache(botocore.session.create_loader)
