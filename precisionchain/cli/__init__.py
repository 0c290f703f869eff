"""The command line.

What is set here is set for the whole process: a command's own, never a program's that imports the
library.
"""

import gc

gc.set_threshold(50_000, 20, 50)
"""Objects made before those that nobody can reach are looked for. A command makes most of its
objects while it loads modules, and these stay: with Python's own 700, `publish` spends a tenth of
its CPU on looking."""
