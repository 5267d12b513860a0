/** @file logger.hpp A logger as a C++ class; see logger.h. */
#ifndef FLIGHTRING_LOGGER_HPP
#define FLIGHTRING_LOGGER_HPP

#include <flightring/base.hpp>
#include <flightring/logger.h>
#include <flightring/logger_set.h>
#include <flightring/logger_stats.h>
#include <flightring/logger_watch.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace flightring {

/** A callback that is told a logger's numbers; ended by its destructor. */
class watch {
  public:
    explicit watch(flr_watch *handle) noexcept : handle_(handle) {}

    flr_watch *get() const noexcept { return handle_.get(); }
    /** Ends it; also allowed inside the callback. */
    void cancel() noexcept { handle_.reset(); }

  private:
    detail::owner<flr_watch, flr_watch_destroy> handle_;
};

/** An asynchronous logger to one file. Safe for concurrent use. FLR_LOG takes `get()`. */
class logger {
  public:
    /** Opens a log with every option at its default. */
    explicit logger(const std::string &path) {
        flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
        options.path = path.c_str();
        open(options);
    }

    explicit logger(const flr_logger_options &options) { open(options); }

    /** Takes over a handle. */
    explicit logger(flr_logger *handle) noexcept : handle_(handle) {}

    flr_status write(std::string_view record) noexcept {
        return flr_logger_write(get(), record.data(), record.size());
    }

    flr_status log(std::int32_t level, std::string_view text) noexcept {
        return flr_logger_log(get(), level, text.data(), text.size());
    }

    bool enabled(std::int32_t level) const noexcept { return flr_logger_enabled(get(), level) != 0; }

    void set_level(std::int32_t level) { check(flr_logger_set_level(get(), level)); }

    /** Waits until everything accepted before is durable: FLR_OK, FLR_TIMEOUT, or an error. */
    flr_status flush(std::chrono::milliseconds timeout) noexcept { return flr_logger_flush(get(), timeout.count()); }

    /** Begins a new file. */
    void rotate() { check(flr_logger_rotate(get())); }

    flr_logger_stats stats() const {
        flr_logger_stats found = FLR_LOGGER_STATS_INIT;
        check(flr_logger_get_stats(get(), &found));
        return found;
    }

    flr_logger_shard_stats shard_stats(std::uint32_t index) const {
        flr_logger_shard_stats found = FLR_LOGGER_SHARD_STATS_INIT;
        check(flr_logger_get_shard_stats(get(), index, &found));
        return found;
    }

    std::string stats_json() const {
        std::string text(2048, '\0');
        std::size_t needed = 0;
        while (check(flr_logger_stats_json(get(), &text[0], text.size(), &needed)) == FLR_TRUNCATED) {
            text.resize(needed + 64);
        }
        text.resize(needed);
        return text;
    }

    /**
     * Has the logger's thread call `callback` with the numbers about every `period`, and a last time when the logger is
     * closed. It should be short, and must not throw.
     */
    flightring::watch watch(std::chrono::milliseconds period,
                            std::function<void(const flr_logger_stats &)> callback) const {
        using function = std::function<void(const flr_logger_stats &)>;
        auto *owned = new function(std::move(callback));
        flr_watch *handle = nullptr;
        const flr_status status = check(flr_logger_watch(
            get(), static_cast<std::uint32_t>(period.count()),
            [](void *user_data, const flr_logger_stats *stats) { (*static_cast<function *>(user_data))(*stats); }, owned,
            [](void *user_data) { delete static_cast<function *>(user_data); }, &handle));
        if (status != FLR_OK) {
            throw error(status);
        }
        return flightring::watch(handle);
    }

    /** Writes all that was accepted. The destructor closes, too, but cannot say what could not be written. */
    flr_status close() noexcept { return flr_logger_close(get()); }

    flr_logger *get() const noexcept { return handle_.get(); }

  private:
    void open(const flr_logger_options &options) {
        flr_logger *handle = nullptr;
        check(flr_logger_open(&options, &handle));
        handle_.reset(handle);
    }

    detail::owner<flr_logger, flr_logger_destroy> handle_;
};

/** Named loggers with one thread and one memory budget; see logger_set.h. Safe for concurrent use. */
class logger_set {
  public:
    /** A set in this folder with every option at its default. */
    explicit logger_set(const std::string &folder) {
        flr_logger_set_options options = FLR_LOGGER_SET_OPTIONS_INIT;
        options.folder = folder.c_str();
        open(options);
    }

    explicit logger_set(const flr_logger_set_options &options) { open(options); }

    /** One more handle to the log of this name, which is opened if it was not. */
    logger log(const std::string &name) const {
        flr_logger *handle = nullptr;
        check(flr_logger_set_get(get(), name.c_str(), &handle));
        return logger(handle);
    }

    /** The numbers of all logs together. */
    flr_logger_stats stats() const {
        flr_logger_stats found = FLR_LOGGER_STATS_INIT;
        check(flr_logger_set_get_stats(get(), &found));
        return found;
    }

    flr_status close() noexcept { return flr_logger_set_close(get()); }

    flr_logger_set *get() const noexcept { return handle_.get(); }

  private:
    void open(const flr_logger_set_options &options) {
        flr_logger_set *handle = nullptr;
        check(flr_logger_set_open(&options, &handle));
        handle_.reset(handle);
    }

    detail::owner<flr_logger_set, flr_logger_set_destroy> handle_;
};

} // namespace flightring

#endif /* FLIGHTRING_LOGGER_HPP */
