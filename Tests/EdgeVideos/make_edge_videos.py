#!/usr/bin/env python3
"""Makes the edge corpus: small videos of every awkward kind. Needs python3 and the ffmpeg program.

    make_edge_videos.py FOLDER [--size 640x360] [--frames 450] [--gop 120]

Every frame carries its index as a 16-bit bar code (16 blocks, black or white, over the top quarter of the picture,
lowest bit left), so that a frame can be told from any other. Nothing here is random: two runs with one version of
ffmpeg give the same files. What the options change, they change throughout: a clip that has a third of the frames or
half the group of pictures of the others has it for any value. The colour bars stay as they are.
"""
import argparse
import os
import random
import re
import struct
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument('folder')
parser.add_argument('--size', default='640x360', help='even numbers, at least 128x96')
parser.add_argument('--frames', type=int, default=450, help='of most clips, at least 60')
parser.add_argument('--gop', type=int, default=120, help='frames from one key frame to the next, at most, in most clips')
options = parser.parse_args()
W, H = (int(length) for length in options.size.split('x'))
N = options.frames
if W < 128 or H < 96 or W % 2 or H % 2 or N < 60 or options.gop < 1:
    parser.error('expected an even size of at least 128x96, at least 60 frames and a group of at least 1')
os.environ['SVT_LOG'] = '1'
os.makedirs(options.folder, exist_ok=True)
os.chdir(options.folder)

RATE = 30
THIRD = N // 3
SECONDS = N / RATE
# Another size; blocks of the bar code stay 8 pixels wide.
OTHER = f'{W // 4 * 2}:{H // 4 * 2}' if W >= 256 else f'{2 * W}:{2 * H}'


def gop(usual):
    """Of a clip whose group of pictures has this length where that of the others has 120."""
    return str(max(1, usual * options.gop // 120))


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
    bars = b''.join((b'\xeb' if i >> b & 1 else b'\x10') * ((b + 1) * W // 16 - b * W // 16) for b in range(16))
    return bars * (H // 4) + luma[W * (H // 4):] + b'\x80' * (W * H // 2)


def encode(out, count, *args):
    process = subprocess.Popen(
        ['ffmpeg', '-hide_banner', '-loglevel', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'yuv420p',
         '-s', f'{W}x{H}', '-r', str(RATE), '-i', '-', *args, out], stdin=subprocess.PIPE)
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
OPEN = f'open-gop=1:keyint={gop(60)}:min-keyint={gop(60)}:scenecut=0'
encode('h264_bframes.mp4', N, *X, '-g', gop(120), '-bf', '3')
encode('h264_opengop.mp4', N, *X, '-x264-params', OPEN + ':bframes=3:b-pyramid=normal')
encode('hevc_opengop.mp4', N, *X265, '-x265-params', OPEN + ':bframes=4:log-level=error')
encode('hevc_layers.mp4', THIRD, *X265, '-x265-params',
       f'temporal-layers=1:keyint={gop(60)}:bframes=4:b-pyramid=1:log-level=error')
encode('h264_10bit.mp4', N, *X, '-pix_fmt', 'yuv420p10le', '-g', gop(120))
encode('hevc_10bit_hdr.mp4', N, *X265, '-pix_fmt', 'yuv420p10le', '-x265-params',
       f'keyint={gop(120)}:log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc',
       '-color_primaries', 'bt2020', '-color_trc', 'smpte2084', '-colorspace', 'bt2020nc')
encode('h264_sar.mp4', N, *X, '-g', gop(120), '-vf', 'setsar=4/3')
encode('h264_intra_refresh.mp4', N, *X, '-x264-params', f'intra-refresh=1:keyint={gop(120)}:bframes=0')
encode('h264_yuv444.mp4', THIRD, *X, '-pix_fmt', 'yuv444p', '-g', gop(60))
encode('h264_fullrange.mp4', THIRD, *X, '-vf', 'scale=in_range=tv:out_range=pc', '-color_range', 'pc', '-g', gop(60))
encode('h264_interlaced.mp4', THIRD, *X, '-flags', '+ildct+ilme', '-x264opts', 'tff=1', '-g', gop(60),
       *([] if H % 4 == 0 else ['-vf', f'crop={W}:{H // 4 * 4}:0:0']))
encode('odd_size.mp4', THIRD, *X, '-pix_fmt', 'yuv444p', '-vf', f'scale={W + 1}:{H + 1}:flags=area', '-g', gop(60))
encode('vp9_altref.webm', N, '-c:v', 'libvpx-vp9', '-deadline', 'good', '-cpu-used', '6', '-lag-in-frames', '16',
       '-auto-alt-ref', '1', '-g', gop(90), '-b:v', '800k')
encode('vp8.webm', N, '-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', gop(90), '-b:v', '1M')
encode('vp8_altref.webm', THIRD, '-c:v', 'libvpx', '-deadline', 'good', '-cpu-used', '5', '-lag-in-frames', '16',
       '-auto-alt-ref', '1', '-g', gop(60), '-b:v', '1M')
encode('av1.mp4', N, '-c:v', 'libsvtav1', '-preset', '12', '-g', gop(90))
encode('mpeg4_bframes.avi', N, '-c:v', 'mpeg4', '-vtag', 'xvid', '-bf', '2', '-g', gop(90), '-q:v', '4')
encode('av1_show_existing.mp4', THIRD, '-c:v', 'libaom-av1', '-cpu-used', '8', '-lag-in-frames', '19', '-g', gop(60),
       '-b:v', '400k')
encode('mpeg2.mpg', N, '-c:v', 'mpeg2video', '-bf', '2', '-g', gop(15), '-q:v', '4')
encode('mjpeg.avi', THIRD, '-c:v', 'mjpeg', '-q:v', '3')
encode('anim.gif', N * 2 // 15, '-vf', f'scale={OTHER}:flags=area')
encode('h264_raw.h264', N, *X, '-g', gop(120), '-bf', '3', '-f', 'h264')
encode('one_frame.mp4', 1, *X)
encode('two_frames.mp4', 2, *X)
encode('ten_frames.mp4', 10, *X, '-g', '250')
encode('image.png', 1)
encode('image.jpg', 1, '-q:v', '2')


def packed_avi(name):
    """DivX's packed bitstream: a B picture stands in the packet of the reference picture that it needs, and an empty
    picture in the place that it left."""
    encode('plain.m4v', N, '-c:v', 'mpeg4', '-bf', '1', '-g', gop(90), '-q:v', '4', '-f', 'm4v')
    codes = re.split(b'(?=\0\0\1)', read('plain.m4v'))
    os.remove('plain.m4v')
    packets, header = [], b''
    for code in codes:
        if code[3:4] == b'\xb2':
            code = b'\0\0\1\xb2DivX503b1393p'
        header += code
        if code[3:4] != b'\xb6':
            continue
        kind = code[4] >> 6
        if kind == 2:
            packets[-1] = (packets[-1][0] + header, packets[-1][1])
            header = b'\0\0\1\xb6\x51\x91\x7f'
        packets.append((header, kind == 0))
        header = b''

    def chunk(kind, *parts):
        data = b''.join(parts)
        return kind + struct.pack('<I', len(data)) + data + b'\0' * (len(data) % 2)

    picture = struct.pack('<IiiHH4sIiiII', 40, W, H, 1, 24, b'DX50', W * H * 3, 0, 0, 0, 0)
    stream = struct.pack('<4s4sIHHIIIIIIIIHHHH', b'vids', b'DX50', 0, 0, 0, 0, 1, RATE, 0, len(packets), 0, 2**32 - 1, 0,
                         0, 0, W, H)
    movie = struct.pack('<14I', 1000000 // RATE, 0, 0, 0x10, len(packets), 0, 1, 0, W, H, 0, 0, 0, 0)
    headers = chunk(b'LIST', b'hdrl', chunk(b'avih', movie),
                    chunk(b'LIST', b'strl', chunk(b'strh', stream), chunk(b'strf', picture)))
    body, index = b'movi', b''
    for data, is_key in packets:
        index += struct.pack('<4sIII', b'00dc', 0x10 if is_key else 0, len(body), len(data))
        body += chunk(b'00dc', data)
    write(name, chunk(b'RIFF', b'AVI ', headers, chunk(b'LIST', body), chunk(b'idx1', index)))


packed_avi('mpeg4_packedb.avi')
# Uneven times: 30, then 5, then 60 frames a second.
SLOW, QUICK = f'{THIRD / RATE:g}+(N-{THIRD})/5', f'{THIRD / RATE + THIRD / 5:g}+(N-{2 * THIRD})/60'
TIMES = f'if(lt(N,{THIRD}),N/{RATE},if(lt(N,{2 * THIRD}),{SLOW},{QUICK}))'
encode('h264_vfr.mp4', N, '-vf', f"settb=1/90000,setpts='{TIMES}/TB'",
       '-fps_mode', 'vfr', '-enc_time_base', '1/90000', '-video_track_timescale', '90000', *X, '-g', gop(60), '-bf', '3')

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
ffmpeg('-ss', f'{N * 2 // 15 / RATE:g}', *COPY, 'h264_editlist.mp4')
# The clock of a transport stream wraps after 2^33 / 90000 = 95443.7 s.
ffmpeg('-itsoffset', str(int(2**33 / 90000 - SECONDS / 2)), *COPY, '-copyts', '-muxdelay', '0', '-mpegts_copyts', '1',
       'h264_wrap.ts')


def sine(seconds):
    return ['-f', 'lavfi', '-i', f'sine=frequency=440:duration={seconds:g}']


LATE = [*sine(SECONDS + 5), '-itsoffset', '5', '-i', 'h264_bframes.mp4', '-map', '0:a', '-map', '1:v', '-c:v', 'copy',
        '-c:a', 'aac']
ffmpeg(*LATE, 'h264_start5.mp4')
ffmpeg(*LATE, 'h264_start5.mkv')
LONG = [*sine(4 * SECONDS), '-i', 'h264_bframes.mp4', '-map', '1:v', '-map', '0:a', '-c:v', 'copy']
ffmpeg(*LONG, '-c:a', 'aac', 'audio_longer.mp4')
ffmpeg(*LONG, '-c:a', 'libopus', 'audio_longer.mkv')
ffmpeg(*sine(5), '-c:a', 'aac', 'audio_only.mp4')
COVER = ['-c:v', 'copy', '-disposition:v:0', 'attached_pic']
ffmpeg(*sine(5), '-i', 'image.jpg', '-map', '0', '-map', '1', *COVER, 'audio_cover.mp3')
ffmpeg(*sine(SECONDS), '-i', 'h264_bframes.mp4', '-i', 'image.jpg', '-map', '2', '-map', '1', '-map', '0', '-c:a', 'aac',
       *COVER, 'cover_first.mp4')
ffmpeg('-i', 'h264_bframes.mp4', '-i', 'h264_sar.mp4', '-map', '0', '-map', '1', '-c', 'copy', 'two_video.mkv')

# Two recordings joined: another size after a third; and the clock back at its start.
PART = ['-t', f'{THIRD / RATE:g}']
ffmpeg('-i', 'h264_bframes.mp4', *PART, '-c', 'copy', 'part1.ts')
ffmpeg('-i', 'h264_bframes.mp4', *PART, '-vf', f'scale={OTHER}:flags=area', *X, '-g', gop(60),
       '-output_ts_offset', f'{THIRD / RATE + 0.2:g}', 'part2.ts')
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
turned('h264_flipped.mp4', 1, 0, 0, -1)
turned('h264_transposed.mp4', 0, 1, 1, 0)
turned('h264_transversed.mp4', 0, -1, -1, 0)

# An index without a table of key frames calls every frame one.
encode('forward.mp4', N, *X, '-g', gop(120), '-bf', '0')
write('h264_no_keys.mp4', read('h264_bframes.mp4').replace(b'stss', b'free'))
write('h264_no_keys_p.mp4', read('forward.mp4').replace(b'stss', b'free'))
os.remove('forward.mp4')

# Damage.
stream = read('h264.ts')
movie = read('h264_bframes.mp4')
start = len(stream) // 3 // 188 * 188
write('h264_midgop.ts', stream[start:])
# No picture that can be decoded by itself.
if options.gop > 1:
    ffmpeg('-i', 'h264.ts', '-c', 'copy', '-bsf:v', "noise=drop='key+gt(n,40)'", 'h264_keyless.ts')
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
W, H = 640, 360
BARS = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0),
        (191, 0, 191), (191, 0, 0), (0, 0, 191), (32, 64, 96)]
RAW = ['ffmpeg', '-hide_banner', '-loglevel', 'error', '-y', '-f', 'rawvideo', '-r', str(RATE)]
rgb = b''.join(bytes(bar) * (W // 8) for bar in BARS) * H


def bars(name, matrix, sent_range, pixels, *tags):
    conversion = (f'scale=out_color_matrix={matrix}:out_range={sent_range}:flags=bicubic+accurate_rnd+full_chroma_int,'
                  f'format={pixels}')
    command = [*RAW, '-s', f'{W}x{H}', '-pix_fmt', 'rgb24', '-i', '-', '-vf', conversion, '-c:v', 'libx264', '-preset', 'veryfast',
               '-qp', '1', *tags, name]
    subprocess.run(command, input=rgb * 3, check=True)


def exact_bars(name, red, blue, is_full, bits, *tags):
    """The same bars at 1920x1080 by the definition of the matrix with these weights of red and blue, stored without
    loss."""
    step = 1 << bits - 8
    low, luma, chroma = (0, 256 * step - 1, 256 * step - 1) if is_full else (16 * step, 219 * step, 224 * step)
    planes = [], [], []
    for r, g, b in BARS:
        y = (red * r + (1 - red - blue) * g + blue * b) / 255
        parts = (low + luma * y, 128 * step + chroma * (b / 255 - y) / (2 - 2 * blue),
                 128 * step + chroma * (r / 255 - y) / (2 - 2 * red))
        for plane, value in zip(planes, parts):
            plane.append(min(256 * step - 1, int(value + 0.5)).to_bytes(1 if bits == 8 else 2, 'little'))
    picture = b''.join(value * 240 for value in planes[0]) * 1080
    for plane in planes[1:]:
        picture += b''.join(value * 120 for value in plane) * 540
    command = [*RAW, '-s', '1920x1080', '-pix_fmt', 'yuv420p' if bits == 8 else 'yuv420p10le', '-i', '-',
               '-c:v', 'ffv1', *tags, name]
    subprocess.run(command, input=picture, check=True)


bars('colour_bt709.mp4', 'bt709', 'tv', 'yuv420p', '-colorspace', 'bt709', '-color_range', 'tv')
bars('colour_bt601.mp4', 'bt601', 'tv', 'yuv420p', '-colorspace', 'smpte170m', '-color_range', 'tv')
bars('colour_unstated.mp4', 'bt601', 'tv', 'yuv420p')
bars('colour_full.mp4', 'bt709', 'pc', 'yuv420p', '-colorspace', 'bt709', '-color_range', 'pc')
bars('colour_full10.mp4', 'bt709', 'pc', 'yuv420p10le', '-colorspace', 'bt709', '-color_range', 'pc')
bars('colour_bt2020.mp4', 'bt2020', 'tv', 'yuv420p10le', '-colorspace', 'bt2020nc', '-color_range', 'tv')
bars('colour_444.mp4', 'bt709', 'tv', 'yuv444p', '-colorspace', 'bt709', '-color_range', 'tv')
bars('colour_hlg.mp4', 'bt2020', 'tv', 'yuv420p10le', '-colorspace', 'bt2020nc', '-color_range', 'tv',
     '-color_primaries', 'bt2020', '-color_trc', 'arib-std-b67')
for matrix, red, blue, bits in [('smpte170m', 0.299, 0.114, 8), ('bt709', 0.2126, 0.0722, 8),
                                ('bt2020nc', 0.2627, 0.0593, 10)]:
    for sent_range in ['tv', 'pc']:
        exact_bars(f'bars_{matrix}_{sent_range}.mkv', red, blue, sent_range == 'pc', bits, '-colorspace', matrix,
                   '-color_range', sent_range)
