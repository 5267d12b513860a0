/** @file reader.hpp A reader of logs as a C++ class; see reader.h. */
#ifndef FLIGHTRING_READER_HPP
#define FLIGHTRING_READER_HPP

#include <flightring/base.hpp>
#include <flightring/reader.h>

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace flightring {

/** A record; its text is valid until the next call on its reader. */
struct record : flr_record {
    record() noexcept : flr_record(FLR_RECORD_INIT) {}
    std::string_view text() const noexcept { return {static_cast<const char *>(data), len}; }
};

/** The records of one log, or of several as one stream. For one thread at a time. */
class reader {
  public:
    explicit reader(const std::string &path, const flr_reader_options &options = FLR_READER_OPTIONS_INIT) {
        flr_reader *handle = nullptr;
        check(flr_reader_open(path.c_str(), &options, &handle));
        handle_.reset(handle);
    }

    explicit reader(const std::vector<std::string> &paths,
                    const flr_reader_options &options = FLR_READER_OPTIONS_INIT) {
        std::vector<const char *> names;
        for (const auto &path : paths) {
            names.push_back(path.c_str());
        }
        flr_reader *handle = nullptr;
        check(flr_reader_open_files(names.data(), names.size(), &options, &handle));
        handle_.reset(handle);
    }

    /** The next record: FLR_OK, FLR_END, or, when following, FLR_TIMEOUT. Throws for errors. */
    flr_status next(record &into) { return check(flr_reader_next(get(), &into)); }

    flr_reader_stats stats() const {
        flr_reader_stats found = FLR_READER_STATS_INIT;
        check(flr_reader_get_stats(get(), &found));
        return found;
    }

    /** `for (const flightring::record &r : reader)` takes what is left, once. */
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = record;
        using difference_type = std::ptrdiff_t;
        using pointer = const record *;
        using reference = const record &;

        iterator() = default;
        explicit iterator(reader *from) : from_(from) { ++*this; }
        reference operator*() const noexcept { return record_; }
        pointer operator->() const noexcept { return &record_; }
        iterator &operator++() {
            if (from_->next(record_) != FLR_OK) {
                from_ = nullptr;
            }
            return *this;
        }
        bool operator==(const iterator &other) const noexcept { return from_ == other.from_; }
        bool operator!=(const iterator &other) const noexcept { return from_ != other.from_; }

      private:
        reader *from_ = nullptr;
        record record_;
    };

    iterator begin() { return iterator(this); }
    iterator end() const noexcept { return {}; }

    flr_reader *get() const noexcept { return handle_.get(); }

  private:
    detail::owner<flr_reader, flr_reader_destroy> handle_;
};

} // namespace flightring

#endif /* FLIGHTRING_READER_HPP */
