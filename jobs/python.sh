# Sourced by the scripts beside it: sets `python` to a python3 that has NumPy.
for python in "${PYTHON:-python3}" /usr/bin/python3; do
    "$python" -c 'import numpy' 2>/dev/null && break
done
