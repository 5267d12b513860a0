/* The smallest service: open a log, write to it, close it. Read it back with: flightring cat service.log */
#include <flightring/flightring.h>

#include <stdio.h>

int main(int argc, char **argv) {
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT; /* zero is the default of every option */
    options.path = argc > 1 ? argv[1] : "service.log";

    flr_logger *log = NULL;
    if (flr_logger_open(&options, &log) != FLR_OK) {
        fprintf(stderr, "%s\n", flr_last_error());
        return 1;
    }
    for (int i = 1; i <= 1000; i++) {
        FLR_LOG(log, FLR_LEVEL_INFO, "request %d took %.1f ms", i, i * 0.1);
    }
    flr_status status = flr_logger_close(log); /* what was accepted is in the file now */
    flr_logger_destroy(log);
    return status == FLR_OK ? 0 : 1;
}
