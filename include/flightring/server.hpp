/** @file server.hpp Servers as a C++ class; see server.h. */
#ifndef FLIGHTRING_SERVER_HPP
#define FLIGHTRING_SERVER_HPP

#include <flightring/base.hpp>
#include <flightring/logger.hpp>
#include <flightring/server.h>

#include <cstdint>
#include <string>

namespace flightring {

/** A hub's monitors, a recorder and loggers over HTTP; stopped by its destructor. Safe for concurrent use. */
class server {
  public:
    explicit server(const flr_server_options &options = FLR_SERVER_OPTIONS_INIT) {
        flr_server *handle = nullptr;
        check(flr_server_start(&options, &handle));
        handle_.reset(handle);
    }

    std::uint16_t port() const {
        std::uint16_t port = 0;
        check(flr_server_port(get(), &port));
        return port;
    }

    /** Where the page is. */
    std::string url() const {
        std::string url;
        std::size_t needed = 0;
        check(flr_server_url(get(), nullptr, 0, &needed));
        url.resize(needed);
        check(flr_server_url(get(), url.data(), url.size(), &needed));
        url.resize(needed - 1);
        return url;
    }

    flr_server_stats stats() const {
        flr_server_stats found = FLR_SERVER_STATS_INIT;
        check(flr_server_get_stats(get(), &found));
        return found;
    }

    /** Shows a logger until it is destroyed; it is not kept open. */
    void add_logger(const std::string &name, const logger &shown) {
        check(flr_server_add_logger(get(), name.c_str(), shown.get()));
    }
    /** Whether it was shown. */
    bool remove_logger(const std::string &name) {
        const flr_status status = flr_server_remove_logger(get(), name.c_str());
        if (status == FLR_NOT_FOUND) {
            return false;
        }
        check(status);
        return true;
    }

    void stop() noexcept { (void)flr_server_stop(get()); }
    flr_server *get() const noexcept { return handle_.get(); }

  private:
    detail::owner<flr_server, flr_server_destroy> handle_;
};

} // namespace flightring

#endif /* FLIGHTRING_SERVER_HPP */
