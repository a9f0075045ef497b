#!/bin/sh
# Puts Qwen's 151,643 byte-pair ranks at .cache/qwen.tiktoken of the package root. They ship inside
# the PyPI package dashscope (Apache-2.0). Does nothing when the file is there already.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
file="$root/.cache/qwen.tiktoken"
sum=b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186
[ -s "$file" ] && exit 0
mkdir -p "$root/.cache"
work=$(mktemp -d "$root/.cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" dashscope==2.0.2
python3 - "$work" "$file.part" <<'PY'
import glob, sys, zipfile
wheel, = glob.glob(sys.argv[1] + "/dashscope-*.whl")
with zipfile.ZipFile(wheel) as z, open(sys.argv[2], "wb") as out:
    out.write(z.read("dashscope/resources/qwen.tiktoken"))
PY
echo "$sum  $file.part" | sha256sum --check --quiet
mv "$file.part" "$file"
