/* Reads a log back: prints its records, and says whether the file is as it was written. */
#include <flightring/flightring.h>

#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv) {
    flr_reader *reader = NULL;
    flr_record record = FLR_RECORD_INIT;
    flr_reader_stats stats = FLR_READER_STATS_INIT;

    if (flr_reader_open(argc > 1 ? argv[1] : "service.log", NULL, &reader) != FLR_OK) {
        fprintf(stderr, "%s\n", flr_last_error());
        return 1;
    }
    flr_status status;
    while ((status = flr_reader_next(reader, &record)) == FLR_OK) {
        /* The data is the reader's, until the next call; it has a length and no terminating NUL. */
        printf("%.*s\n", (int)record.len, (const char *)record.data);
    }
    flr_status counted = flr_reader_get_stats(reader, &stats);
    flr_reader_destroy(reader);
    if (status != FLR_END || counted != FLR_OK) {
        fprintf(stderr, "%s\n", flr_last_error());
        return 1;
    }
    printf("%" PRIu64 " records in %" PRIu64 " blocks, %" PRIu64 " places damaged\n", stats.records, stats.blocks,
           stats.damages);
    return stats.damages == 0 ? 0 : 1;
}
