/** @file replay.hpp A replay buffer as a C++ class; see replay.h. */
#ifndef FLIGHTRING_REPLAY_HPP
#define FLIGHTRING_REPLAY_HPP

#include <flightring/base.hpp>
#include <flightring/replay.h>

#include <chrono>
#include <string_view>

namespace flightring {

/** The newest bytes of a stream under absolute offsets. Safe for concurrent use. */
class replay_buffer {
  public:
    /** What a read found, and what it came to: FLR_OK, FLR_END or FLR_FUTURE. */
    struct span : flr_replay_span {
        flr_status status;
        /** Where the next read goes on. */
        std::uint64_t next() const noexcept { return start + len; }
    };

    /** Retains at most `capacity` bytes; 0 means 1 MiB. */
    explicit replay_buffer(std::size_t capacity = 0) {
        flr_replay *handle = nullptr;
        check(flr_replay_create(capacity, &handle));
        handle_.reset(handle);
    }

    flr_status write(std::string_view data) noexcept { return flr_replay_write(get(), data.data(), data.size()); }

    /** Copies what is retained from `offset` on into `dst`. Throws only for misuse. */
    span read(std::uint64_t offset, void *dst, std::size_t cap) const {
        span found{FLR_REPLAY_SPAN_INIT, FLR_OK};
        found.status = check(flr_replay_read(get(), offset, dst, cap, &found));
        return found;
    }

    /** Waits for something to read at `offset`: FLR_OK, FLR_TIMEOUT, FLR_END or FLR_FUTURE. */
    flr_status wait(std::uint64_t offset, std::chrono::milliseconds timeout) const noexcept {
        return flr_replay_wait(get(), offset, timeout.count());
    }

    std::uint64_t total() const noexcept { return flr_replay_total(get()); }
    std::uint64_t oldest() const noexcept { return flr_replay_oldest(get()); }
    void close() noexcept { (void)flr_replay_close(get()); }
    void clear() noexcept { (void)flr_replay_clear(get()); }
    flr_replay *get() const noexcept { return handle_.get(); }

  private:
    detail::owner<flr_replay, flr_replay_destroy> handle_;
};

} // namespace flightring

#endif /* FLIGHTRING_REPLAY_HPP */
