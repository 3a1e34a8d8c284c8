"""``python -m profile_decode`` is the program."""

import os
import sys

from . import program_path

os.execv(program_path(), [str(program_path()), *sys.argv[1:]])
