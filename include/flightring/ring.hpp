/** @file ring.hpp A byte ring as a C++ class; see ring.h. */
#ifndef FLIGHTRING_RING_HPP
#define FLIGHTRING_RING_HPP

#include <flightring/base.hpp>
#include <flightring/ring.h>

#include <string>
#include <string_view>

namespace flightring {

/** The last `capacity` bytes of everything that was written. Not for concurrent use without a lock. */
class ring {
  public:
    explicit ring(std::size_t capacity) {
        flr_ring *handle = nullptr;
        check(flr_ring_create(capacity, &handle));
        handle_.reset(handle);
    }

    /** Appends a copy; the oldest bytes make room. */
    flr_status write(std::string_view data) noexcept { return flr_ring_write(get(), data.data(), data.size()); }

    /** A copy of what is held, oldest first. */
    std::string history() const {
        std::string held(size(), '\0');
        std::size_t needed = 0;
        check(flr_ring_history(get(), held.data(), held.size(), &needed));
        return held;
    }

    std::size_t size() const noexcept { return flr_ring_len(get()); }
    std::size_t capacity() const noexcept { return flr_ring_capacity(get()); }
    void clear() noexcept { (void)flr_ring_clear(get()); }
    flr_ring *get() const noexcept { return handle_.get(); }

  private:
    detail::owner<flr_ring, flr_ring_destroy> handle_;
};

} // namespace flightring

#endif /* FLIGHTRING_RING_HPP */
