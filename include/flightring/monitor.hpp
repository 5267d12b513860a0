/** @file monitor.hpp Hubs, monitors, followers and subscriptions as C++ classes; see hub.h, monitor.h and follow.h. */
#ifndef FLIGHTRING_MONITOR_HPP
#define FLIGHTRING_MONITOR_HPP

#include <flightring/base.hpp>
#include <flightring/follow.h>
#include <flightring/hub.h>
#include <flightring/monitor.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flightring {

/** A flr_event whose bytes are a string_view. */
struct event : flr_event {
    std::string_view text() const noexcept { return {static_cast<const char *>(data), len}; }
    bool is_gap() const noexcept { return kind == FLR_EVENT_KIND_GAP; }
};

/** Takes a monitor's output piece by piece, or line by line. One thread at a time. */
class follower {
  public:
    explicit follower(flr_follower *handle) noexcept : handle_(handle) {}

    /**
     * The next chunk, line or gap; nothing when there was none in time, or there never will be: then ended() is true. The
     * text is valid until the next call.
     */
    std::optional<event> next(std::chrono::milliseconds timeout) {
        event found{};
        found.struct_size = sizeof(flr_event);
        status_ = check(flr_follower_next(get(), timeout.count(), &found));
        return status_ == FLR_OK ? std::optional<event>(found) : std::nullopt;
    }

    /** Waits for ever. */
    std::optional<event> next() { return next(std::chrono::milliseconds(-1)); }

    bool ended() const noexcept { return status_ == FLR_END; }
    flr_follower *get() const noexcept { return handle_.get(); }

  private:
    detail::owner<flr_follower, flr_follower_destroy> handle_;
    flr_status status_ = FLR_OK;
};

/** A callback that gets a monitor's output in a thread of its own; ended by its destructor. */
class subscription {
  public:
    explicit subscription(flr_subscription *handle) noexcept : handle_(handle) {}

    flr_subscription *get() const noexcept { return handle_.get(); }
    /** Ends it; also allowed inside the callback. */
    void cancel() noexcept { handle_.reset(); }

  private:
    detail::owner<flr_subscription, flr_subscription_destroy> handle_;
};

/** The recent output of a process or subsystem. Safe for concurrent use. */
class monitor {
  public:
    explicit monitor(flr_monitor *handle) noexcept : handle_(handle) {}

    /** A monitor that belongs to no hub. */
    explicit monitor(const std::string &name, const flr_monitor_options &options = FLR_MONITOR_OPTIONS_INIT) {
        flr_monitor *handle = nullptr;
        check(flr_monitor_create(name.c_str(), &options, &handle));
        handle_.reset(handle);
    }

    std::string_view name() const noexcept { return flr_monitor_name(get()); }

    flr_status write(flr_stream stream, std::string_view data) noexcept {
        return flr_monitor_write(get(), static_cast<int32_t>(stream), data.data(), data.size());
    }

    /** Writes an own line; `level` is a flr_level. */
    flr_status log(int32_t level, std::string_view text) noexcept {
        return flr_monitor_log(get(), level, text.data(), text.size());
    }

    void attach_fd(flr_stream stream, int fd) {
        check(flr_monitor_attach_fd(get(), static_cast<int32_t>(stream), fd));
    }
    void watch(int pid) { check(flr_monitor_watch(get(), pid)); }

    /** Whether descriptors and process ended in time. */
    bool wait_finished(std::chrono::milliseconds timeout) {
        return check(flr_monitor_wait_finished(get(), timeout.count())) == FLR_OK;
    }

    /** All that is retained, oldest byte first. */
    std::string history() const {
        std::string all;
        std::size_t needed = 0;
        flr_status status = check(flr_monitor_history(get(), nullptr, 0, &needed));
        while (status == FLR_TRUNCATED) {
            all.resize(needed);
            status = check(flr_monitor_history(get(), all.data(), all.size(), &needed));
        }
        all.resize(needed);
        return all;
    }

    flightring::follower follow(const flr_follower_options &options = FLR_FOLLOWER_OPTIONS_INIT) const {
        flr_follower *handle = nullptr;
        expect(flr_monitor_follow(get(), &options, &handle));
        return flightring::follower(handle);
    }

    /**
     * Calls `callback` with each event from `from_offset` on; it returns whether to go on. It must not throw.
     */
    flightring::subscription subscribe(std::uint64_t from_offset, std::function<bool(const event &)> callback) const {
        using function = std::function<bool(const event &)>;
        auto *owned = new function(std::move(callback));
        flr_subscription *handle = nullptr;
        expect(flr_monitor_subscribe(
            get(), from_offset,
            [](void *user_data, const flr_event *found) -> int32_t {
                return (*static_cast<function *>(user_data))(event{*found}) ? 0 : 1;
            },
            owned, [](void *user_data) { delete static_cast<function *>(user_data); }, &handle));
        return flightring::subscription(handle);
    }

    flr_monitor_stats stats() const {
        flr_monitor_stats found = FLR_MONITOR_STATS_INIT;
        check(flr_monitor_get_stats(get(), &found));
        return found;
    }

    void stop() noexcept { (void)flr_monitor_stop(get()); }
    void close() noexcept { (void)flr_monitor_close(get()); }
    flr_monitor *get() const noexcept { return handle_.get(); }

  private:
    /** An offset from another life of the monitor leaves nothing to follow. */
    static void expect(flr_status status) {
        if (check(status) == FLR_FUTURE) {
            throw std::out_of_range("flightring: the offset lies beyond everything written");
        }
    }

    detail::owner<flr_monitor, flr_monitor_release> handle_;
};

/** Monitors by name. Safe for concurrent use. */
class hub {
  public:
    hub() {
        flr_hub *handle = nullptr;
        check(flr_hub_create(&handle));
        handle_.reset(handle);
    }

    /** The monitor of that name, which is made if there is none. */
    monitor open(const std::string &name, const flr_monitor_options &options = FLR_MONITOR_OPTIONS_INIT) {
        flr_monitor *handle = nullptr;
        check(flr_hub_open(get(), name.c_str(), &options, &handle));
        return monitor(handle);
    }

    /** The monitor of that name, if there is one. */
    std::optional<monitor> find(const std::string &name) const {
        flr_monitor *handle = nullptr;
        const flr_status status = flr_hub_find(get(), name.c_str(), &handle);
        if (status == FLR_NOT_FOUND) {
            return std::nullopt;
        }
        check(status);
        return monitor(handle);
    }

    /** Whether there was one to remove. */
    bool remove(const std::string &name) {
        const flr_status status = flr_hub_remove(get(), name.c_str());
        return status == FLR_NOT_FOUND ? false : check(status) == FLR_OK;
    }

    /** The names of all monitors, sorted. */
    std::vector<std::string> names() const {
        std::string all;
        std::size_t needed = 0;
        flr_status status = check(flr_hub_list(get(), nullptr, 0, &needed));
        while (status == FLR_TRUNCATED) {
            all.resize(needed);
            status = check(flr_hub_list(get(), all.data(), all.size(), &needed));
        }
        std::vector<std::string> names;
        for (std::size_t at = 0; at < needed; at += names.back().size() + 1) {
            names.emplace_back(all.c_str() + at);
        }
        return names;
    }

    flr_hub *get() const noexcept { return handle_.get(); }

  private:
    detail::owner<flr_hub, flr_hub_destroy> handle_;
};

} // namespace flightring

#endif /* FLIGHTRING_MONITOR_HPP */
