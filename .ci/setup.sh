#!/usr/bin/env bash
# What a fresh Debian 12 or Ubuntu 24.04 needs beyond the Swift toolchain, git, make and python3 with pip: development
# packages from apt and libtorch from PyTorch. Looks first and fetches only what is missing, so a second run takes a
# second or two.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# ---- apt packages -----------------------------------------------------------------------------------------------

packages=(libavformat-dev libavcodec-dev libswscale-dev libavutil-dev libsqlite3-dev libpq-dev pkg-config ffmpeg sqlite3
    unzip)
# For tests and benchmarks: a PostgreSQL server with pgbench, network namespaces, traces of system calls.
packages+=(postgresql iproute2 strace)

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else die "not root, and no sudo: run as root: $*"
    fi
}

install_packages() {
    command -v dpkg-query >/dev/null || {
        pkg-config --exists libavformat libavcodec libswscale libavutil sqlite3 libpq && command -v ffmpeg >/dev/null &&
            return
        die "this is not a Debian or Ubuntu; install what these packages hold: ${packages[*]}"
    }
    local missing=() package
    for package in "${packages[@]}"; do is_installed "$package" || missing+=("$package"); done
    python3 -m pip --version >/dev/null 2>&1 || missing+=(python3 python3-pip)
    # Renders the test set: NumPy for any python3 that the scripts of jobs/ look at.
    python3 -c 'import numpy' 2>/dev/null || /usr/bin/python3 -c 'import numpy' 2>/dev/null || missing+=(python3-numpy)
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# ---- PyTorch ----------------------------------------------------------------------------------------------------
# Only its shared libraries are used. The program looks in ZIPVL_TORCH, .torch and python3's own torch, in this order.

torch=2.13.0
home=.torch
wanted="PyTorch 2.10 or newer"

# Loads DIR/libtorch_cpu.so as the program does, in a process of its own. Prints the loader's complaint.
loads() {
    python3 - "$1/libtorch_cpu.so" <<'PYTHON'
import ctypes, os, sys
try:
    ctypes.CDLL(sys.argv[1], mode=os.RTLD_NOW)
except OSError as error:
    sys.exit(print(error) or 1)
PYTHON
}

# Prints the folder of python3's torch where it is 2.10 or newer.
torch_of_python() {
    python3 - 2>/dev/null <<'PYTHON'
import importlib.metadata, importlib.util, os, sys
major, minor = (int(part) for part in importlib.metadata.version("torch").split(".")[:2])
if (major, minor) < (2, 10):
    sys.exit(1)
print(os.path.dirname(importlib.util.find_spec("torch").origin))
PYTHON
}

# pip's --target leaves a folder alone that is already there, and all nvidia packages share one: install beside, merge.
pip_into_home() {
    local part
    mkdir -p "$home"
    part=$(mktemp -d "$home/part.XXXXXX")
    if ! python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore \
        --only-binary=:all: --target "$part" "$@"; then
        rm -rf "$part"
        return 1
    fi
    cp -a --link --force "$part/." "$home/"
    rm -rf "$part"
}

# The requirement that brings a library which libtorch_cpu.so asks for, as the installed PyTorch itself states it.
# A CUDA build's CPU library needs two of NVIDIA's (some 13 MB); the other gigabytes are left where they are.
requirement_for() {
    python3 - "$home" "$1" <<'PYTHON'
import glob, re, sys
home, library = sys.argv[1:]
stem = re.match(r"lib([a-zA-Z]+)", library).group(1).lower()
stem = {"cublaslt": "cublas", "nvtoolsext": "nvtx"}.get(stem, stem)
old_names = {"cudart": "cuda-runtime", "cupti": "cuda-cupti", "nvrtc": "cuda-nvrtc"}
for path in glob.glob(home + "/torch-*.dist-info/METADATA"):
    for line in open(path, encoding="utf-8"):
        if not line.startswith("Requires-Dist: "):
            continue
        requirement = line.removeprefix("Requires-Dist: ").split(";")[0].strip()
        toolkit = re.fullmatch(r"(cuda-toolkit)\[(.+)\](==.+)", requirement)
        if toolkit and stem in toolkit[2].split(","):
            sys.exit(print(f"{toolkit[1]}[{stem}]{toolkit[3]}"))
        if requirement.startswith(f"nvidia-{old_names.get(stem, stem)}-"):
            sys.exit(print(requirement))
sys.exit(1)
PYTHON
}

# Fetches libraries until libtorch_cpu.so loads; each turn must bring a different one.
repair() {
    local complaint library requirement last=
    while ! complaint=$(loads "$home/torch/lib"); do
        library=$(sed -n 's/^\(lib[^:]*\): cannot open shared object file.*/\1/p' <<<"$complaint")
        if [ -z "$library" ] || [ "$library" = "$last" ] || ! requirement=$(requirement_for "$library"); then
            say "$complaint"
            return 1
        fi
        say "PyTorch's libraries need $library: fetching $requirement"
        pip_into_home "$requirement" || return 1
        last=$library
    done
}

find_torch() {
    local folder complaint=
    if [ -n "${ZIPVL_TORCH:-}" ]; then
        for folder in "$ZIPVL_TORCH" "$ZIPVL_TORCH/lib" "$ZIPVL_TORCH/torch/lib"; do
            if [ -e "$folder/libtorch_cpu.so" ] && complaint=$(loads "$folder"); then return; fi
        done
        die "ZIPVL_TORCH=$ZIPVL_TORCH: no libtorch_cpu.so that loads (${complaint:-not found}); unset it, or name $wanted"
    fi
    if [ -d "$home/torch" ]; then
        repair && return
        say "$home cannot be used as it is: fetching it again"
        rm -rf "$home"
    elif folder=$(torch_of_python); then
        complaint=$(loads "$folder/lib") && return
        say "python3's PyTorch does not load ($complaint): fetching one for $home"
    fi
    say "fetching PyTorch $torch into $home (some 200 to 550 MB, once)"
    if ! { pip_into_home --no-deps "torch==$torch" && repair; }; then
        die "no PyTorch that loads; name one with ZIPVL_TORCH=DIR"
    fi
}

command -v swift >/dev/null || die "no swift on PATH: install a Swift 6.2 or newer toolchain"
command -v python3 >/dev/null || die "no python3 on PATH: it fetches PyTorch and the tests' vocabulary"
install_packages
find_torch
