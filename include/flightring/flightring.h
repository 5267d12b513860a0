/**
 * @file flightring.h
 * All of flightring's C interface. Each header may also be included alone.
 */
#ifndef FLIGHTRING_FLIGHTRING_H
#define FLIGHTRING_FLIGHTRING_H

#include <flightring/base.h>
#include <flightring/cursor.h>
#include <flightring/follow.h>
#include <flightring/hub.h>
#include <flightring/logger.h>
#include <flightring/logger_options.h>
#include <flightring/logger_set.h>
#include <flightring/logger_stats.h>
#include <flightring/logger_watch.h>
#include <flightring/monitor.h>
#include <flightring/normaliser.h>
#include <flightring/reader.h>
#include <flightring/recorder.h>
#include <flightring/recorder_add.h>
#include <flightring/recorder_stats.h>
#include <flightring/replay.h>
#include <flightring/ring.h>
#include <flightring/server.h>

#endif /* FLIGHTRING_FLIGHTRING_H */
