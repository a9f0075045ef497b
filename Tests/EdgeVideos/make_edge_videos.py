#!/usr/bin/env python3
"""Makes the edge corpus: small videos of every awkward kind. Needs python3 and the ffmpeg program.

    make_edge_videos.py FOLDER

Every frame carries its index as a 16-bit bar code (16 blocks, black or white, over the top quarter of the picture,
lowest bit left), so that a frame can be told from any other. Nothing here is random: two runs with one version of
ffmpeg give the same files.
"""
import os
import random
import struct
import subprocess
import sys

os.environ['SVT_LOG'] = '1'
FOLDER = sys.argv[1] if len(sys.argv) > 1 else 'edge'
os.makedirs(FOLDER, exist_ok=True)
os.chdir(FOLDER)

W, H, N = 640, 360, 450
QUIET = ['ffmpeg', '-hide_banner', '-loglevel', 'error', '-nostdin', '-y']
CHANCE = random.Random(1)

# Brightness of a moving pattern plus a drifting noise. Sums stay below 256, so whole pictures are added as integers.
PATTERN = [bytes(((u ^ v) & 127) // 2 + 60 for u in range(W + 128)) for v in range(128)]
NOISE = [bytes(CHANCE.randrange(40) for _ in range(W)) * 2 for _ in range(H)]


def frame(i):
    shift, drift = 3 * i & 127, (-7 * i) % W
    picture = b''.join(PATTERN[(y + i) & 127][shift:shift + W] for y in range(H))
    noise = b''.join(NOISE[y][drift:drift + W] for y in range(H))
    total = int.from_bytes(picture, 'big') + int.from_bytes(noise, 'big')
    luma = total.to_bytes(W * H, 'big')
    bars = b''.join((b'\xeb' if i >> b & 1 else b'\x10') * (W // 16) for b in range(16))
    return bars * (H // 4) + luma[W * (H // 4):] + b'\x80' * (W * H // 2)


def encode(out, count, *args):
    process = subprocess.Popen(
        ['ffmpeg', '-hide_banner', '-loglevel', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'yuv420p',
         '-s', f'{W}x{H}', '-r', '30', '-i', '-', *args, out], stdin=subprocess.PIPE)
    for i in range(count):
        try:
            process.stdin.write(frame(i))
        except BrokenPipeError:
            break
    process.stdin.close()
    if process.wait() != 0:
        sys.exit(f'ffmpeg could not make {out}')


def ffmpeg(*args):
    if subprocess.run([*QUIET, *args]).returncode != 0:
        sys.exit(f'ffmpeg failed: {" ".join(args)}')


def read(name):
    with open(name, 'rb') as file:
        return file.read()


def write(name, data):
    with open(name, 'wb') as file:
        file.write(data)


# Codecs and ways to refer to other frames.
X = ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '23']
X265 = ['-c:v', 'libx265', '-preset', 'ultrafast']
OPEN = 'open-gop=1:keyint=60:min-keyint=60:scenecut=0'
encode('h264_bframes.mp4', N, *X, '-g', '120', '-bf', '3')
encode('h264_opengop.mp4', N, *X, '-x264-params', OPEN + ':bframes=3:b-pyramid=normal')
encode('hevc_opengop.mp4', N, *X265, '-x265-params', OPEN + ':bframes=4:log-level=error')
encode('hevc_layers.mp4', 150, *X265, '-x265-params',
       'temporal-layers=1:keyint=60:bframes=4:b-pyramid=1:log-level=error')
encode('h264_10bit.mp4', N, *X, '-pix_fmt', 'yuv420p10le', '-g', '120')
encode('hevc_10bit_hdr.mp4', N, *X265, '-pix_fmt', 'yuv420p10le', '-x265-params',
       'keyint=120:log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc',
       '-color_primaries', 'bt2020', '-color_trc', 'smpte2084', '-colorspace', 'bt2020nc')
encode('h264_sar.mp4', N, *X, '-g', '120', '-vf', 'setsar=4/3')
encode('h264_intra_refresh.mp4', N, *X, '-x264-params', 'intra-refresh=1:keyint=120:bframes=0')
encode('h264_yuv444.mp4', 150, *X, '-pix_fmt', 'yuv444p', '-g', '60')
encode('h264_fullrange.mp4', 150, *X, '-vf', 'scale=in_range=tv:out_range=pc', '-color_range', 'pc', '-g', '60')
encode('h264_interlaced.mp4', 150, *X, '-flags', '+ildct+ilme', '-x264opts', 'tff=1', '-g', '60')
encode('odd_size.mp4', 150, *X, '-pix_fmt', 'yuv444p', '-vf', 'scale=641:361:flags=area', '-g', '60')
encode('vp9_altref.webm', N, '-c:v', 'libvpx-vp9', '-deadline', 'good', '-cpu-used', '6', '-lag-in-frames', '16',
       '-auto-alt-ref', '1', '-g', '90', '-b:v', '800k')
encode('vp8.webm', N, '-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', '90', '-b:v', '1M')
encode('vp8_altref.webm', 150, '-c:v', 'libvpx', '-deadline', 'good', '-cpu-used', '5', '-lag-in-frames', '16',
       '-auto-alt-ref', '1', '-g', '60', '-b:v', '1M')
encode('av1.mp4', N, '-c:v', 'libsvtav1', '-preset', '12', '-g', '90')
encode('mpeg4_bframes.avi', N, '-c:v', 'mpeg4', '-vtag', 'xvid', '-bf', '2', '-g', '90', '-q:v', '4')
encode('mpeg2.mpg', N, '-c:v', 'mpeg2video', '-bf', '2', '-g', '15', '-q:v', '4')
encode('mjpeg.avi', 150, '-c:v', 'mjpeg', '-q:v', '3')
encode('anim.gif', 60, '-vf', 'scale=320:180:flags=area')
encode('h264_raw.h264', N, *X, '-g', '120', '-bf', '3', '-f', 'h264')
encode('one_frame.mp4', 1, *X)
encode('two_frames.mp4', 2, *X)
encode('ten_frames.mp4', 10, *X, '-g', '250')
encode('image.png', 1)
encode('image.jpg', 1, '-q:v', '2')
# Uneven times: 30, then 5, then 60 frames a second.
encode('h264_vfr.mp4', N, '-vf', "settb=1/90000,setpts='if(lt(N,150),N/30,if(lt(N,300),5+(N-150)/5,35+(N-300)/60))/TB'",
       '-fps_mode', 'vfr', '-enc_time_base', '1/90000', '-video_track_timescale', '90000', *X, '-g', '60', '-bf', '3')

# Containers, by copying packets.
COPY = ['-i', 'h264_bframes.mp4', '-c', 'copy']
FRAGMENTS = 'frag_keyframe+empty_moov+default_base_moof'
ffmpeg(*COPY, 'h264.ts')
ffmpeg(*COPY, 'h264.mkv')
ffmpeg(*COPY, 'h264.flv')
ffmpeg(*COPY, 'h264.avi')
ffmpeg(*COPY, '-movflags', FRAGMENTS, 'h264_frag.mp4')
ffmpeg(*COPY, '-movflags', FRAGMENTS + '+global_sidx', 'h264_frag_sidx.mp4')
ffmpeg('-itsoffset', '95000', *COPY, '-copyts', '-muxdelay', '0', 'h264_bigts.ts')
# Cut within a group of pictures: frames before the cut are decoded and not shown.
ffmpeg('-ss', '2', *COPY, 'h264_editlist.mp4')
# The clock of a transport stream wraps after 2^33 / 90000 = 95443.7 s.
ffmpeg('-itsoffset', '95436', *COPY, '-copyts', '-muxdelay', '0', '-mpegts_copyts', '1', 'h264_wrap.ts')


def sine(seconds):
    return ['-f', 'lavfi', '-i', f'sine=frequency=440:duration={seconds}']


LATE = [*sine(20), '-itsoffset', '5', '-i', 'h264_bframes.mp4', '-map', '0:a', '-map', '1:v', '-c:v', 'copy',
        '-c:a', 'aac']
ffmpeg(*LATE, 'h264_start5.mp4')
ffmpeg(*LATE, 'h264_start5.mkv')
LONG = [*sine(60), '-i', 'h264_bframes.mp4', '-map', '1:v', '-map', '0:a', '-c:v', 'copy']
ffmpeg(*LONG, '-c:a', 'aac', 'audio_longer.mp4')
ffmpeg(*LONG, '-c:a', 'libopus', 'audio_longer.mkv')
ffmpeg(*sine(5), '-c:a', 'aac', 'audio_only.mp4')
COVER = ['-c:v', 'copy', '-disposition:v:0', 'attached_pic']
ffmpeg(*sine(5), '-i', 'image.jpg', '-map', '0', '-map', '1', *COVER, 'audio_cover.mp3')
ffmpeg(*sine(15), '-i', 'h264_bframes.mp4', '-i', 'image.jpg', '-map', '2', '-map', '1', '-map', '0', '-c:a', 'aac',
       *COVER, 'cover_first.mp4')
ffmpeg('-i', 'h264_bframes.mp4', '-i', 'h264_sar.mp4', '-map', '0', '-map', '1', '-c', 'copy', 'two_video.mkv')

# Two recordings joined: another size at 5 s; and the clock back at its start.
ffmpeg('-i', 'h264_bframes.mp4', '-t', '5', '-c', 'copy', 'part1.ts')
ffmpeg('-i', 'h264_bframes.mp4', '-t', '5', '-vf', 'scale=320:180:flags=area', *X, '-g', '60',
       '-output_ts_offset', '5.2', 'part2.ts')
write('res_change.ts', read('part1.ts') + read('part2.ts'))
write('clock_restart.ts', read('h264.ts') + read('h264.ts'))
os.remove('part1.ts')
os.remove('part2.ts')


def turned(name, a, b, c, d):
    """A copy whose display matrix maps a stored point (x, y) to (ax + cy, bx + dy), moved into view."""
    data = bytearray(read('h264_bframes.mp4'))
    track = data.index(b'tkhd') + 4
    width, height = struct.unpack('>II', data[track + 76:track + 84])
    right = width * (a < 0) + height * (c < 0)
    down = width * (b < 0) + height * (d < 0)
    matrix = [a << 16, b << 16, 0, c << 16, d << 16, 0, right, down, 1 << 30]
    data[track + 40:track + 76] = struct.pack('>9i', *matrix)
    write(name, data)


turned('h264_rot90.mp4', 0, 1, -1, 0)
turned('h264_rot180.mp4', -1, 0, 0, -1)
turned('h264_rot270.mp4', 0, -1, 1, 0)
turned('h264_mirrored.mp4', -1, 0, 0, 1)

# An index without a table of key frames calls every frame one.
encode('forward.mp4', N, *X, '-g', '120', '-bf', '0')
write('h264_no_keys.mp4', read('h264_bframes.mp4').replace(b'stss', b'free'))
write('h264_no_keys_p.mp4', read('forward.mp4').replace(b'stss', b'free'))
os.remove('forward.mp4')

# Damage.
stream = read('h264.ts')
movie = read('h264_bframes.mp4')
start = len(stream) // 3 // 188 * 188
write('h264_midgop.ts', stream[start:])
write('trunc_nomoov.mp4', movie[:len(movie) * 6 // 10])
write('trunc_moov.mp4', movie[:movie.rfind(b'moov') + 900])
ffmpeg(*COPY, '-movflags', '+faststart', 'faststart.mp4')
whole = read('faststart.mp4')
write('trunc_faststart.mp4', whole[:len(whole) * 6 // 10])
os.remove('faststart.mp4')
matroska = read('h264.mkv')
write('trunc.mkv', matroska[:len(matroska) * 6 // 10])
low, high = movie.find(b'mdat') + 4000, movie.rfind(b'moov') - 4
data = bytearray(movie)
for _ in range(400):
    data[CHANCE.randrange(low, high)] = CHANCE.randrange(256)
write('corrupt_bytes.mp4', data)
data = bytearray(movie)
middle, length = low + (high - low) // 2, (high - low) // 10
data[middle:middle + length] = bytes(length)
write('corrupt_zeros.mp4', data)
data = bytearray(movie)
data[low:high] = bytes(high - low)
write('all_zeros.mp4', data)
data = bytearray(movie)
data[low - 4000 + 4:low + (high - low) // 8] = bytes((high - low) // 8 + 3996)
write('head_zeros.mp4', data)
data = bytearray(stream)
for _ in range(60):
    k = CHANCE.randrange(20, len(data) // 188) * 188
    data[k:k + 188] = CHANCE.randbytes(188)
write('corrupt.ts', data)

# No videos.
write('zero.mp4', b'')
write('text.mp4', b'this is not a video\n' * 100)
write('playlist.mp4', b'#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nh264.ts\n#EXT-X-ENDLIST\n')
write('random.mp4', CHANCE.randbytes(200000))

# Colour: eight bars of known RGB, 80 pixels wide.
BARS = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0),
        (191, 0, 191), (191, 0, 0), (0, 0, 191), (32, 64, 96)]
rgb = b''.join(bytes(bar) * (W // 8) for bar in BARS) * H


def bars(name, matrix, sent_range, pixels, *tags):
    conversion = (f'scale=out_color_matrix={matrix}:out_range={sent_range}:flags=bicubic+accurate_rnd+full_chroma_int,'
                  f'format={pixels}')
    command = ['ffmpeg', '-hide_banner', '-loglevel', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24',
               '-s', f'{W}x{H}', '-r', '30', '-i', '-', '-vf', conversion, '-c:v', 'libx264', '-preset', 'veryfast',
               '-qp', '1', *tags, name]
    subprocess.run(command, input=rgb * 3, check=True)


bars('colour_bt709.mp4', 'bt709', 'tv', 'yuv420p', '-colorspace', 'bt709', '-color_range', 'tv')
bars('colour_bt601.mp4', 'bt601', 'tv', 'yuv420p', '-colorspace', 'smpte170m', '-color_range', 'tv')
bars('colour_unstated.mp4', 'bt601', 'tv', 'yuv420p')
bars('colour_full.mp4', 'bt709', 'pc', 'yuv420p', '-colorspace', 'bt709', '-color_range', 'pc')
bars('colour_full10.mp4', 'bt709', 'pc', 'yuv420p10le', '-colorspace', 'bt709', '-color_range', 'pc')
bars('colour_bt2020.mp4', 'bt2020', 'tv', 'yuv420p10le', '-colorspace', 'bt2020nc', '-color_range', 'tv')
bars('colour_444.mp4', 'bt709', 'tv', 'yuv444p', '-colorspace', 'bt709', '-color_range', 'tv')
