/**
 * @file base.hpp
 * What the C++ wrappers share. C++17, header only: all code is in libflightring.so, behind the C interface.
 *
 * Every wrapper owns one handle, moves, does not copy, and ends the handle in its destructor. Set-up functions throw
 * flightring::error; calls that belong on a hot path are noexcept and return the flr_status instead. `get()` gives the
 * handle for calls that the wrapper does not have.
 */
#ifndef FLIGHTRING_BASE_HPP
#define FLIGHTRING_BASE_HPP

#include <flightring/base.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace flightring {

/** A call that returned an error (a negative status). */
class error : public std::runtime_error {
  public:
    /** Takes the message and errno that the last failing call left for this thread. */
    explicit error(flr_status status)
        : std::runtime_error(std::string(flr_status_text(status)) + ": " + flr_last_error()),
          status_(status), errno_(flr_last_errno()) {}

    flr_status status() const noexcept { return status_; }

    /** The operating system's reason, or 0. */
    int os_errno() const noexcept { return errno_; }

  private:
    flr_status status_;
    int errno_;
};

/** Throws if `status` is an error; passes FLR_OK and outcomes (such as FLR_DROPPED) through. */
inline flr_status check(flr_status status) {
    if (status < 0) {
        throw error(status);
    }
    return status;
}

namespace detail {

template <typename Handle, void (*End)(Handle *)> struct ender {
    void operator()(Handle *handle) const noexcept { End(handle); }
};

/** Owns a C handle. */
template <typename Handle, void (*End)(Handle *)> using owner = std::unique_ptr<Handle, ender<Handle, End>>;

} // namespace detail
} // namespace flightring

#endif /* FLIGHTRING_BASE_HPP */
