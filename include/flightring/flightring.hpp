/** @file flightring.hpp All of flightring's C++17 interface. Each header may also be included alone. */
#ifndef FLIGHTRING_FLIGHTRING_HPP
#define FLIGHTRING_FLIGHTRING_HPP

#include <flightring/base.hpp>
#include <flightring/logger.hpp>
#include <flightring/monitor.hpp>
#include <flightring/normaliser.hpp>
#include <flightring/reader.hpp>
#include <flightring/recorder.hpp>
#include <flightring/replay.hpp>
#include <flightring/ring.hpp>
#include <flightring/server.hpp>

#endif /* FLIGHTRING_FLIGHTRING_HPP */
