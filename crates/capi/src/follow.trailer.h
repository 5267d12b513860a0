/** For an offset to start from: the next byte that is written. */
#define FLR_FROM_NOW UINT64_MAX

/** For an offset to start from: the oldest byte that is retained. */
#define FLR_FROM_OLDEST (UINT64_MAX - 1)

/** A flag of a line: no line feed follows. It was cut and goes on in the next line of its stream, or a gap or the end came: of
 *  the monitor, or of the process or descriptor that the line came from. */
#define FLR_LINE_PARTIAL UINT32_C(1)

/** A flag of a line: it does not begin after a line feed, but goes on with what was cut, or its beginning is gone. */
#define FLR_LINE_CONTINUED UINT32_C(2)

/** A flag of a chunk: its stream begins afresh with it. What came before has ended, with its process or descriptor, by
 *  flr_monitor_stop(), or because there was nothing; a line that it ended in the middle of does not go on here. */
#define FLR_CHUNK_FRESH UINT32_C(4)
