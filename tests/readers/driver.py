"""Runs in the readers' environment: loads a recipe, and calls its `datasources` once a line.

Answers go to stdout, one a line, as JSON; whatever the recipe and its libraries print, to stderr.
"""

import json
import runpy
import sys

answers, sys.stdout = sys.stdout, sys.stderr
recipe = runpy.run_path(sys.argv[1])
for _ in sys.stdin:
    print(json.dumps(recipe["datasources"]()), file=answers, flush=True)
