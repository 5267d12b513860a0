/* A plugin that records: a shared object which a host loads with dlopen (see host.c). It links flightring as any program
   does; the host need not know of it. */
#include <flightring/flightring.h>

int plugin_start(const char *log_path);
int plugin_work(int item);
int plugin_stop(void);

static flr_logger *log_;

int plugin_start(const char *log_path) {
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = log_path;
    return flr_logger_open(&options, &log_);
}

int plugin_work(int item) {
    return FLR_LOG(log_, FLR_LEVEL_INFO, "worked on item %d", item);
}

int plugin_stop(void) {
    flr_status status = flr_logger_close(log_);
    flr_logger_destroy(log_);
    log_ = NULL;
    return status;
}
