/* What is added to a recorder, and its numbers. */
#include <flightring/recorder_add.h>
#include <flightring/recorder_stats.h>
