#ifndef ZIPVL_CFFMPEG_SHIM_H
#define ZIPVL_CFFMPEG_SHIM_H

// FFmpeg's headers, and the little that Swift cannot import from them, for FFmpeg 5.1, 6 and 7.

// What 5.1 offers and 6 or 7 deprecate is the common ground of all three: the mark is dropped before any
// declaration carries it, so that a build with warnings as errors passes on every version.
#include <libavutil/attributes.h>
#undef attribute_deprecated
#define attribute_deprecated

#include "pixels.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/display.h>
#include <libavutil/mem.h>
#include <libavutil/murmur3.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <signal.h>
#include <stdarg.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/prctl.h>

// Error codes: the AVERROR macros are expressions that Swift's importer does not evaluate.
static inline int zvl_error_eof(void) { return AVERROR_EOF; }
static inline int zvl_error_again(void) { return AVERROR(EAGAIN); }
static inline int zvl_error_exit(void) { return AVERROR_EXIT; }
static inline int zvl_error_no_memory(void) { return AVERROR(ENOMEM); }

// The "no timestamp" value: a cast within a macro is not imported.
static inline int64_t zvl_no_pts(void) { return AV_NOPTS_VALUE; }

// Colour conversion: the scaler is an opaque type in FFmpeg 5 to 7 and a visible one later, and its flags
// become members of an enumeration; behind these functions Swift sees neither.
static inline int zvl_scaler_bilinear(void) { return SWS_BILINEAR; }
static inline int zvl_scaler_bicubic(void) { return SWS_BICUBIC; }
static inline int zvl_scaler_area(void) { return SWS_AREA; }
static inline void *zvl_scaler_make(int width, int height, int format, int out_width, int out_height,
                                    int kind, int matrix, int is_full_range) {
    int flags = kind | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;
    struct SwsContext *scaler =
        sws_getContext(width, height, (enum AVPixelFormat)format, out_width, out_height,
                       AV_PIX_FMT_RGB24, flags, NULL, NULL, NULL);
    const int *table = sws_getCoefficients(matrix);
    // Refused for RGB sources, which have no matrix.
    if (scaler) sws_setColorspaceDetails(scaler, table, is_full_range, table, 1, 0, 1 << 16, 1 << 16);
    return scaler;
}
static inline int zvl_scaler_run(void *scaler, AVFrame *to, const AVFrame *from) {
    return sws_scale_frame((struct SwsContext *)scaler, to, from);
}
static inline void zvl_scaler_free(void *scaler) { sws_freeContext((struct SwsContext *)scaler); }

// The display matrix of a stream (nine values, or NULL): it moved from the stream to the codec parameters
// in FFmpeg 6.1, and later versions lack the old function.
static inline const int32_t *zvl_display_matrix(const AVStream *stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 100)
    const AVPacketSideData *data =
        av_packet_side_data_get(stream->codecpar->coded_side_data,
                                stream->codecpar->nb_coded_side_data,
                                AV_PKT_DATA_DISPLAYMATRIX);
    return data && data->size >= 9 * sizeof(int32_t) ? (const int32_t *)data->data : NULL;
#else
    size_t size = 0;
    const uint8_t *data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return data && size >= 9 * sizeof(int32_t) ? (const int32_t *)data : NULL;
#endif
}

// What decoders have to say. Frame threads give a picture out before they have finished it, and its flags with it: that
// something was concealed in it is then only said in the log. Decoders whose `opaque` is a counter have it counted.
static inline void zvl_count_message(void *object, int level, const char *format, va_list arguments) {
    (void)format;
    (void)arguments;
    if (!object || level > AV_LOG_INFO || *(const AVClass **)object != avcodec_get_class()) return;
    int *counter = (int *)((AVCodecContext *)object)->opaque;
    if (counter) __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}
static inline void zvl_count_messages(void) { av_log_set_callback(zvl_count_message); }
static inline int zvl_message_count(const int *counter) { return __atomic_load_n(counter, __ATOMIC_RELAXED); }

// prctl is variadic, which Swift cannot call: the sampling child asks to be killed when its parent ends.
static inline int zvl_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL); }

// GNU extensions, which the C library's headers hide from Swift: anonymous memory for the frames that a
// child hands over, and "close everything from this descriptor on" for its start.
extern int memfd_create(const char *name, unsigned int flags);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
static inline int zvl_memory_file(const char *name) {
    return memfd_create(name, 1U /* MFD_CLOEXEC */);
}
static inline int zvl_close_from(posix_spawn_file_actions_t *actions, int from) {
    return posix_spawn_file_actions_addclosefrom_np(actions, from);
}

#endif
