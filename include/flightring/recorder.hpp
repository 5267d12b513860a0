/** @file recorder.hpp Recorders, spans and answers as C++ classes; see recorder.h and cursor.h. */
#ifndef FLIGHTRING_RECORDER_HPP
#define FLIGHTRING_RECORDER_HPP

#include <flightring/base.hpp>
#include <flightring/cursor.h>
#include <flightring/recorder.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace flightring {

/** A borrowed text for the C structs. */
inline flr_text text(std::string_view view) noexcept { return flr_text{view.data(), view.size()}; }

/** A text of an answer; valid as long as the record it came with. */
inline std::string_view view(const flr_text &text) noexcept { return std::string_view(text.data, text.len); }

/** Now, in nanoseconds since 1970. */
inline std::uint64_t now_ns() noexcept {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

namespace detail {

/** What a function gives that copies a text out. */
template <typename Copy> std::string text_of(Copy copy) {
    std::string out(1024, '\0');
    std::size_t needed = 0;
    while (check(copy(&out[0], out.size(), &needed)) == FLR_TRUNCATED) {
        out.resize(needed);
    }
    out.resize(needed);
    return out;
}

} // namespace detail

/** An answer that is being read: `for (const flr_found &record : cursor)`. Used by one thread at a time, and once. */
class cursor {
  public:
    explicit cursor(flr_cursor *handle) noexcept : handle_(handle) {}

    /** Goes to the next record; false at the end. */
    bool next(flr_found &found) { return check(flr_cursor_next(get(), &found)) == FLR_OK; }

    /** Ask at the end. */
    flr_coverage coverage() const {
        flr_coverage found = FLR_COVERAGE_INIT;
        check(flr_cursor_get_coverage(get(), &found));
        return found;
    }

    /** The record at hand as a JSON object. */
    std::string json() const {
        return detail::text_of([this](char *dst, std::size_t cap, std::size_t *needed) {
            return flr_cursor_json(get(), dst, cap, needed);
        });
    }

    /** Fetches an attribute of the record at hand; false if there is none. */
    bool attribute(std::string_view key, flr_attribute &found) const {
        const flr_status status = flr_cursor_attribute(get(), key.data(), key.size(), &found);
        return status != FLR_NOT_FOUND && check(status) == FLR_OK;
    }

    /** Everything that is left, in a form that a flr_export names. */
    std::string exported(std::int32_t form) {
        std::string out;
        const auto take = [](void *to, const void *data, std::size_t len) noexcept -> std::int32_t {
            try {
                static_cast<std::string *>(to)->append(static_cast<const char *>(data), len);
                return 0;
            } catch (...) {
                return 1;
            }
        };
        if (check(flr_cursor_export(get(), form, take, &out)) != FLR_OK) {
            throw std::bad_alloc();
        }
        return out;
    }

    /** An input iterator over the records. */
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = flr_found;
        using difference_type = std::ptrdiff_t;
        using pointer = const flr_found *;
        using reference = const flr_found &;

        iterator() noexcept = default;
        explicit iterator(cursor *of) : of_(of) { ++*this; }

        reference operator*() const noexcept { return found_; }
        pointer operator->() const noexcept { return &found_; }

        iterator &operator++() {
            found_ = FLR_FOUND_INIT;
            if (!of_->next(found_)) {
                of_ = nullptr;
            }
            return *this;
        }

        void operator++(int) { ++*this; }

        bool operator==(const iterator &other) const noexcept { return of_ == other.of_; }
        bool operator!=(const iterator &other) const noexcept { return of_ != other.of_; }

      private:
        cursor *of_ = nullptr;
        flr_found found_ = FLR_FOUND_INIT;
    };

    iterator begin() { return iterator(this); }
    iterator end() noexcept { return iterator(); }

    flr_cursor *get() const noexcept { return handle_.get(); }

  private:
    detail::owner<flr_cursor, flr_cursor_destroy> handle_;
};

/** The newest spans, log records and metric points, in bounded memory. Safe for concurrent use. */
class recorder {
  public:
    recorder() : recorder(nullptr) {}
    explicit recorder(const flr_recorder_options &options) : recorder(&options) {}

    flr_status add(const flr_span &span) noexcept { return flr_recorder_add_span(get(), &span); }
    flr_status add(const flr_log_entry &log) noexcept { return flr_recorder_add_log(get(), &log); }
    flr_status add(const flr_metric &metric) noexcept { return flr_recorder_add_metric(get(), &metric); }

    /** FLR_OK, FLR_DROPPED if some records were refused, or throws. */
    flr_status ingest_otlp(std::int32_t signal, std::int32_t encoding, std::string_view body) {
        return check(flr_recorder_ingest_otlp(get(), signal, encoding, body.data(), body.size()));
    }

    cursor spans(const flr_filter &filter = FLR_FILTER_INIT) const {
        return query(flr_recorder_query_spans, filter);
    }
    cursor logs(const flr_filter &filter = FLR_FILTER_INIT) const { return query(flr_recorder_query_logs, filter); }
    cursor metrics(const flr_filter &filter = FLR_FILTER_INIT) const {
        return query(flr_recorder_query_metrics, filter);
    }

    /** A whole trace as JSON, its spans in the order of a waterfall; see flr_recorder_trace_json(). */
    std::string trace_json(const std::uint8_t (&trace_id)[16]) const {
        return detail::text_of([&](char *dst, std::size_t cap, std::size_t *needed) {
            return flr_recorder_trace_json(get(), trace_id, dst, cap, needed);
        });
    }

    /** The services, names and classes of the records held, with counts; see flr_recorder_summary_json(). */
    std::string summary_json(std::int32_t signal) const {
        return detail::text_of([&](char *dst, std::size_t cap, std::size_t *needed) {
            return flr_recorder_summary_json(get(), signal, dst, cap, needed);
        });
    }

    void snapshot(const std::string &name) { check(flr_recorder_snapshot(get(), name.c_str())); }
    void clear(std::int32_t signal) { check(flr_recorder_clear(get(), signal)); }

    flr_recorder_stats stats(std::int32_t signal) const {
        flr_recorder_stats found = FLR_RECORDER_STATS_INIT;
        check(flr_recorder_get_stats(get(), signal, &found));
        return found;
    }

    flr_recorder *get() const noexcept { return handle_.get(); }

  private:
    explicit recorder(const flr_recorder_options *options) {
        flr_recorder *handle = nullptr;
        check(flr_recorder_create(options, &handle));
        handle_.reset(handle);
    }

    template <typename Query> cursor query(Query ask, const flr_filter &filter) const {
        flr_cursor *handle = nullptr;
        check(ask(get(), &filter, &handle));
        return cursor(handle);
    }

    detail::owner<flr_recorder, flr_recorder_destroy> handle_;
};

/**
 * A span of work: begins where it is made, ends where it is destroyed, and is added then. The recorder must outlive it. Texts are
 * copied.
 */
class span {
  public:
    /** A root span, of a trace with this id. */
    span(recorder &to, std::string_view service, std::string_view name, const std::uint8_t (&trace_id)[16],
         std::uint64_t span_id)
        : to_(&to), service_(service), name_(name) {
        std::memcpy(fields_.trace_id, trace_id, sizeof fields_.trace_id);
        set_id(fields_.span_id, span_id);
        fields_.start_ns = now_ns();
    }

    /** A span within `parent`, of the same trace and service. */
    span(const span &parent, std::string_view name, std::uint64_t span_id)
        : to_(parent.to_), service_(parent.service_), name_(name) {
        std::memcpy(fields_.trace_id, parent.fields_.trace_id, sizeof fields_.trace_id);
        std::memcpy(fields_.parent_id, parent.fields_.span_id, sizeof fields_.parent_id);
        set_id(fields_.span_id, span_id);
        fields_.start_ns = now_ns();
    }

    span(const span &) = delete;
    span &operator=(const span &) = delete;

    ~span() { end(); }

    span &attribute(std::string_view key, std::string_view value) {
        values_.push_back({std::string(key), std::string(value), 0, FLR_VALUE_TEXT});
        return *this;
    }

    span &attribute(std::string_view key, std::int64_t value) {
        values_.push_back({std::string(key), std::string(), value, FLR_VALUE_INT});
        return *this;
    }

    span &error(std::string_view message) {
        fields_.status = 2;
        message_ = message;
        return *this;
    }

    /** Ends the span before its scope does; the destructor does nothing then. */
    flr_status end() noexcept {
        if (to_ == nullptr) {
            return FLR_CLOSED;
        }
        flr_status status = FLR_NO_MEMORY;
        try {
            std::vector<flr_attribute> attributes;
            attributes.reserve(values_.size());
            for (const kept &value : values_) {
                attributes.push_back(
                    flr_attribute{text(value.key), text(value.value), value.integer, 0.0, value.type});
            }
            fields_.end_ns = now_ns();
            fields_.name = text(name_);
            fields_.service = text(service_);
            fields_.status_message = text(message_);
            fields_.attributes = attributes.data();
            fields_.attribute_count = attributes.size();
            status = to_->add(fields_);
        } catch (const std::bad_alloc &) {
        }
        to_ = nullptr;
        return status;
    }

  private:
    struct kept {
        std::string key;
        std::string value;
        std::int64_t integer;
        std::int32_t type;
    };

    static void set_id(std::uint8_t (&id)[8], std::uint64_t number) noexcept {
        for (int i = 0; i < 8; i++) {
            id[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
        }
    }

    recorder *to_;
    std::string service_;
    std::string name_;
    std::string message_;
    std::vector<kept> values_;
    flr_span fields_ = FLR_SPAN_INIT;
};

} // namespace flightring

#endif /* FLIGHTRING_RECORDER_HPP */
