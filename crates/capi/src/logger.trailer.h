#include <stdarg.h>
#include <stdio.h>

/* Used by FLR_LOG. */
static inline flr_status flr_logger_not_logged(void) FLR_NOEXCEPT {
    return FLR_OK;
}

/**
 * Formats a text as printf does, straight into the logger's memory, and logs it. Prefer FLR_LOG, which does not evaluate the
 * arguments when the level is filtered out.
 *
 * Returns as flr_logger_log() does; FLR_INVALID also when the C library refuses the format.
 */
static inline flr_status flr_logger_logf(const flr_logger *logger, int32_t level, const char *format, ...)
    FLR_PRINTF(3, 4);

static inline flr_status flr_logger_logf(const flr_logger *logger, int32_t level, const char *format, ...) {
    flr_logger_slot slot = FLR_LOGGER_SLOT_INIT;
    size_t asked = 256;
    for (;;) {
        va_list arguments;
        int length;
        flr_status status = flr_logger_reserve(logger, level, asked, &slot);
        if (status != FLR_OK) {
            return status;
        }
        va_start(arguments, format);
        length = vsnprintf((char *)slot.data, slot.capacity, format, arguments);
        va_end(arguments);
        /* The terminating NUL needs room, too, but is not logged. */
        if (length >= 0 && (size_t)length < slot.capacity) {
            return flr_logger_commit(logger, &slot, (size_t)length);
        }
        status = flr_logger_cancel(logger, &slot);
        if (status != FLR_OK || length < 0) {
            return status != FLR_OK ? status : FLR_INVALID;
        }
        asked = (size_t)length + 1;
    }
}

/**
 * Logs a text that is formatted as printf does; the compiler checks the arguments. `logger` and `level` are evaluated twice,
 * the other arguments not at all when the level is filtered out. Returns as flr_logger_log() does.
 */
#define FLR_LOG(logger, level, ...)                                                          \
    (flr_logger_enabled((logger), (level)) ? flr_logger_logf((logger), (level), __VA_ARGS__) \
                                           : flr_logger_not_logged())
