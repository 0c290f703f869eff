#!/usr/bin/env bash
# Write constraints.txt anew: the newest versions that the lowest supported Python resolves to.
# Frozen there, they install on every later Python as well; the other way round they may not.
set -eu
cd "$(dirname "$0")/.."

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

python3.11 -m venv "$room/venv"
pip=("$room/venv/bin/python" -m pip --disable-pip-version-check)
"${pip[@]}" install -q hatchling editables
"${pip[@]}" install -q --no-build-isolation -e '.[dev,multichain,demo,pgen]'
{
  echo "# Versions that every installation uses; written by 'make constraints' on Python 3.11."
  "${pip[@]}" freeze --exclude-editable --exclude precisionchain
} > "$room/constraints.txt"
mv "$room/constraints.txt" constraints.txt
