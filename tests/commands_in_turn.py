"""A command run again and again in one process: `python -m tests.commands_in_turn MODULE OPTIONS`, lists as JSON."""

import importlib
import json
import sys

from hit.cli import entry_point
from hit.schema import Kind

if __name__ == "__main__":
    main = importlib.import_module(sys.argv[1]).main
    for words in json.loads(sys.argv[2]):
        sys.argv = ["command", *words]
        try:
            entry_point(main, Kind.TRAIN)
        except SystemExit as ended:
            print("exit", ended.code, file=sys.stderr)
