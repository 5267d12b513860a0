/** @file normaliser.hpp Normalisers and pattern counters as C++ classes; see normaliser.h. */
#ifndef FLIGHTRING_NORMALISER_HPP
#define FLIGHTRING_NORMALISER_HPP

#include <flightring/base.hpp>
#include <flightring/normaliser.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flightring {

/** The number of a pattern. */
inline std::uint64_t pattern_id(std::string_view pattern) noexcept {
    return flr_pattern_id(pattern.data(), pattern.size());
}

/** What a normaliser or a counter is made from. */
struct normaliser_config {
    flr_normaliser_mode mode = FLR_NORMALISER_MODE_TYPED;
    /** Names and expressions. */
    std::vector<std::pair<std::string, std::string>> rules;
    /** 0 is the default. */
    std::size_t max_patterns = 0;
};

namespace detail {

/** Calls `use` with the C form of `config`. */
template <class Use> void with_options(const normaliser_config &config, Use use) {
    std::vector<flr_normaliser_rule> rules;
    for (const auto &[name, expression] : config.rules) {
        rules.push_back({name.c_str(), expression.c_str()});
    }
    flr_normaliser_options options = FLR_NORMALISER_OPTIONS_INIT;
    options.mode = config.mode;
    options.rules = rules.data();
    options.rule_count = rules.size();
    options.max_patterns = config.max_patterns;
    use(options);
}

template <class Handle, class Create> Handle *create_with(const normaliser_config &config, Create create) {
    Handle *handle = nullptr;
    with_options(config, [&](const flr_normaliser_options &options) { check(create(&options, &handle)); });
    return handle;
}

} // namespace detail

/** Turns lines into patterns. Safe for concurrent use. */
class normaliser {
  public:
    explicit normaliser(const normaliser_config &config = {}) {
        handle_.reset(detail::create_with<flr_normaliser>(config, flr_normaliser_create));
    }

    /** The pattern of `line`. */
    std::string line(std::string_view line) const {
        std::string pattern;
        this->line(line, pattern);
        return pattern;
    }

    /** The same, into a string whose memory is used again. */
    void line(std::string_view line, std::string &pattern) const {
        std::size_t needed = 0;
        pattern.resize(flr_normaliser_bound(get(), line.size()));
        check(flr_normaliser_line(get(), line.data(), line.size(), pattern.data(), pattern.size(), &needed));
        pattern.resize(needed);
    }

    flr_normaliser *get() const noexcept { return handle_.get(); }

  private:
    detail::owner<flr_normaliser, flr_normaliser_destroy> handle_;
};

/** Counts the patterns of a stream while it is written. Safe for concurrent use. */
class pattern_counter {
  public:
    explicit pattern_counter(const normaliser_config &config = {}) {
        handle_.reset(detail::create_with<flr_pattern_counter>(config, flr_pattern_counter_create));
    }

    void feed(std::string_view data) { check(flr_pattern_counter_feed(get(), data.data(), data.size())); }

    flr_pattern_counter_stats stats() const {
        flr_pattern_counter_stats stats = FLR_PATTERN_COUNTER_STATS_INIT;
        check(flr_pattern_counter_get_stats(get(), &stats));
        return stats;
    }

    /** The `most` most frequent patterns, as JSON. */
    std::string top_json(std::size_t most) const {
        std::string text(4096, '\0');
        for (;;) {
            std::size_t needed = 0;
            const auto status = check(flr_pattern_counter_top_json(get(), most, text.data(), text.size(), &needed));
            text.resize(needed);
            if (status != FLR_TRUNCATED) {
                return text;
            }
        }
    }

    flr_pattern_counter *get() const noexcept { return handle_.get(); }

  private:
    detail::owner<flr_pattern_counter, flr_pattern_counter_destroy> handle_;
};

/** Counts the patterns of all lines of a monitor, for its page and flr_monitor_patterns_json(). */
inline void count_patterns(const flr_monitor *monitor, const normaliser_config &config = {}) {
    detail::with_options(config, [&](const flr_normaliser_options &options) {
        check(flr_monitor_count_patterns(monitor, &options));
    });
}

} // namespace flightring

#endif /* FLIGHTRING_NORMALISER_HPP */
