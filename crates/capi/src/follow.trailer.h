/** For an offset to start from: the next byte that is written. */
#define FLR_FROM_NOW UINT64_MAX

/** For an offset to start from: the oldest byte that is retained. */
#define FLR_FROM_OLDEST (UINT64_MAX - 1)

/** A flag of a line: no line feed follows. It was cut and goes on in the next line of its stream, or a gap or the end came, of
 *  the monitor or of its process and the descriptors that were attached. */
#define FLR_LINE_PARTIAL UINT32_C(1)

/** A flag of a line: it does not begin after a line feed, but goes on with what was cut, or its beginning is gone. */
#define FLR_LINE_CONTINUED UINT32_C(2)
