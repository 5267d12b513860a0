#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Used by FLR_MONITOR_LOG. */
static inline flr_status flr_monitor_not_logged(void) FLR_NOEXCEPT {
    return FLR_OK;
}

/**
 * Formats a text as printf does and writes it as flr_monitor_log() does. Prefer FLR_MONITOR_LOG, which does not evaluate the
 * arguments when the level is left out.
 */
static inline flr_status flr_monitor_logf(const flr_monitor *monitor, int32_t level, const char *format, ...)
    FLR_PRINTF(3, 4);

static inline flr_status flr_monitor_logf(const flr_monitor *monitor, int32_t level, const char *format, ...) {
    char small[512];
    char *text = small;
    int length;
    flr_status status;
    va_list arguments;
    va_start(arguments, format);
    length = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return FLR_INVALID;
    }
    if ((size_t)length >= sizeof small) {
        text = (char *)malloc((size_t)length + 1);
        if (text == NULL) {
            return FLR_NO_MEMORY;
        }
        va_start(arguments, format);
        vsnprintf(text, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    status = flr_monitor_log(monitor, level, text, (size_t)length);
    if (text != small) {
        free(text);
    }
    return status;
}

/**
 * Writes an own line whose text is formatted as printf does; the compiler checks the arguments. `monitor` and `level` are
 * evaluated twice, the other arguments not at all when the level is left out. Returns as flr_monitor_log() does.
 */
#define FLR_MONITOR_LOG(monitor, level, ...)                                                     \
    (flr_monitor_enabled((monitor), (level)) ? flr_monitor_logf((monitor), (level), __VA_ARGS__) \
                                             : flr_monitor_not_logged())
