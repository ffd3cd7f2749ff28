#!/bin/sh
# Make a virtual environment with the first Python on PATH that is new enough: make_venv.sh FOLDER
# PYTHON=/path/to/python chooses one. A working environment is left as it is, a half-made one is made anew.
set -eu
folder=$1

complete='import pip, sys; sys.exit(sys.prefix == sys.base_prefix)'
"$folder/bin/python" -c "$complete" >/dev/null 2>&1 && exit 0

usable() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

for python in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python; do
    if usable "$python"; then
        echo "== Making $folder with $("$python" --version)"
        exec "$python" -m venv --clear "$folder"
    fi
done

echo "No Python 3.11 or newer with the venv module was found on PATH." >&2
echo "Debian, Ubuntu: sudo apt-get install python3 python3-venv; elsewhere: https://www.python.org/downloads/" >&2
echo "Or name one: PYTHON=/path/to/python3.12 make demo" >&2
exit 1
