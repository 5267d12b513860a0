// One measurement of one logger, in a process of its own: `peers SUBJECT THREADS RECORDS FILE`. Records of 100 bytes, the same
// for all. Prints one line: subject, threads, ns a call (median of batches of 20 calls), ns (99.9th percentile of those batches),
// ms that the longest batch took, million records a second until everything is durable (logger stopped, fdatasync), CPU
// seconds for a million records, share of records that are in the file, and bytes of the file for a byte of payload.
#include <flightring/flightring.hpp>

#ifdef WITH_SPDLOG
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#endif
#ifdef WITH_GLOG
#include <glog/logging.h>
#endif
#ifdef WITH_QUILL
#include <quill/Backend.h>
#include <quill/Frontend.h>
#include <quill/LogMacros.h>
#include <quill/Logger.h>
#include <quill/sinks/FileSink.h>
#include <string_view>
#endif
#ifdef WITH_FMTLOG
#define FMTLOG_HEADER_ONLY
#define FMTLOG_BLOCK 1
#include <fmtlog.h>
#include <string_view>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <mutex>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::size_t LENGTH = 100;
constexpr std::size_t BATCH = 20;

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval &t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/** A logger under test: how a record is logged, and how all is brought to the file. */
struct subject {
    std::function<void(const char *)> log;
    std::function<void()> stop;
    /** Bytes that each record takes in the file besides its own, for counting; 0 where the logger counts. */
    std::size_t line = 0;
    std::function<std::uint64_t()> counted = nullptr;
};

void sync_file(const std::string &path) {
    const int file = open(path.c_str(), O_RDONLY);
    if (file >= 0) {
        fdatasync(file);
        close(file);
    }
}

subject flightring_subject(const std::string &path, int staging, int sync) {
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = path.c_str();
    options.overflow = FLR_OVERFLOW_BLOCK;
    options.staging = staging;
    options.sync = sync;
    auto log = std::make_shared<flightring::logger>(options);
    flr_logger *handle = log->get();
    return {[handle](const char *data) { (void)flr_logger_write(handle, data, LENGTH); },
            [log] { flightring::check(log->close()); }, 0, [log] { return log->stats().written; }};
}

subject make(const std::string &name, const std::string &path) {
    if (name == "flightring") {
        return flightring_subject(path, FLR_STAGING_PRIVATE, FLR_SYNC_NONE);
    }
    if (name == "flightring, shared") {
        return flightring_subject(path, FLR_STAGING_SHARED, FLR_SYNC_NONE);
    }
    if (name == "flightring, dsync") {
        return flightring_subject(path, FLR_STAGING_PRIVATE, FLR_SYNC_EACH_BATCH);
    }
    if (name == "write(2)") {
        const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        return {[file](const char *data) { (void)!write(file, data, LENGTH); }, [file] { close(file); }, LENGTH};
    }
    if (name == "mutex+buffer") {
        struct state {
            std::mutex lock;
            std::vector<char> buffer;
            int file;
        };
        auto s = std::make_shared<state>();
        s->buffer.reserve(1 << 20);
        s->file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        const auto drain = [s] {
            (void)!write(s->file, s->buffer.data(), s->buffer.size());
            s->buffer.clear();
        };
        return {[s, drain](const char *data) {
                    const std::lock_guard<std::mutex> guard(s->lock);
                    if (s->buffer.size() + LENGTH > (1 << 20)) {
                        drain();
                    }
                    s->buffer.insert(s->buffer.end(), data, data + LENGTH);
                },
                [s, drain] {
                    drain();
                    close(s->file);
                },
                LENGTH};
    }
#ifdef WITH_SPDLOG
    if (name == "spdlog sync") {
        auto log = spdlog::basic_logger_mt("bench", path);
        log->set_pattern("%v");
        return {[log](const char *data) { log->info(spdlog::string_view_t(data, LENGTH)); }, [log] { log->flush(); },
                LENGTH + 1};
    }
    if (name == "spdlog async") {
        spdlog::init_thread_pool(8192, 1);
        auto log = spdlog::basic_logger_mt<spdlog::async_factory>("bench", path);
        log->set_pattern("%v");
        return {[log](const char *data) { log->info(spdlog::string_view_t(data, LENGTH)); },
                [log]() mutable {
                    log.reset();
                    spdlog::shutdown();
                },
                LENGTH + 1};
    }
#endif
#ifdef WITH_GLOG
    if (name == "glog") {
        FLAGS_log_prefix = false;
        FLAGS_timestamp_in_logfile_name = false;
        FLAGS_logbuflevel = 0;
        google::InitGoogleLogging("peers");
        google::SetLogDestination(google::GLOG_INFO, path.c_str());
        google::SetLogSymlink(google::GLOG_INFO, "");
        return {[](const char *data) { LOG(INFO).write(data, LENGTH); },
                [] { google::ShutdownGoogleLogging(); }, LENGTH + 1};
    }
#endif
#ifdef WITH_QUILL
    if (name == "quill") {
        quill::Backend::start();
        quill::FileSinkConfig config;
        config.set_open_mode('w');
        auto sink = quill::Frontend::create_or_get_sink<quill::FileSink>(path, config);
        auto *log = quill::Frontend::create_or_get_logger("bench", std::move(sink), quill::PatternFormatterOptions{"%(message)"});
        return {[log](const char *data) { LOG_INFO(log, "{}", std::string_view(data, LENGTH)); },
                [log] {
                    log->flush_log();
                    quill::Backend::stop();
                },
                LENGTH + 1};
    }
#endif
#ifdef WITH_FMTLOG
    if (name == "fmtlog") {
        fmtlog::setLogFile(path.c_str(), true);
        fmtlog::setHeaderPattern("");
        fmtlog::startPollingThread(1000000);
        return {[](const char *data) { FMTLOG(fmtlog::INF, "{}", std::string_view(data, LENGTH)); },
                [] {
                    fmtlog::stopPollingThread();
                    fmtlog::closeLogFile();
                },
                LENGTH + 1};
    }
#endif
    std::fprintf(stderr, "peers: %s is not built in\n", name.c_str());
    std::exit(77);
}

double quantile(std::vector<double> &values, double q) {
    const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + at, values.end());
    return values[static_cast<std::size_t>(at)];
}

void loaded(const std::string &name, std::size_t threads, std::size_t records, const std::string &path) {
    subject under_test = make(name, path);
    std::vector<std::vector<double>> batches(threads);
    std::atomic<std::size_t> ready{0};
    std::vector<std::thread> workers;
    const std::size_t each = records / threads / BATCH * BATCH;
    const double cpu = cpu_seconds();
    double begin = 0;
    for (std::size_t thread = 0; thread < threads; thread++) {
        workers.emplace_back([&, thread] {
            char record[LENGTH];
            std::memset(record, 'a' + static_cast<int>(thread % 26), LENGTH);
            std::vector<double> &mine = batches[thread];
            mine.reserve(each / BATCH);
            ready++;
            while (ready < threads) {
                std::this_thread::yield();
            }
            double last = now();
            if (thread == 0) {
                begin = last;
            }
            for (std::size_t i = 0; i < each; i += BATCH) {
                for (std::size_t k = 0; k < BATCH; k++) {
                    under_test.log(record);
                }
                const double time = now();
                mine.push_back((time - last) * 1e9 / BATCH);
                last = time;
            }
        });
    }
    for (std::thread &worker : workers) {
        worker.join();
    }
    under_test.stop();
    sync_file(path);
    const double took = now() - begin, used = cpu_seconds() - cpu;
    std::vector<double> all;
    for (auto &mine : batches) {
        all.insert(all.end(), mine.begin(), mine.end());
    }
    struct stat found {};
    stat(path.c_str(), &found);
    const double offered = static_cast<double>(each * threads);
    const double kept = under_test.counted ? static_cast<double>(under_test.counted())
                                           : static_cast<double>(found.st_size) / static_cast<double>(under_test.line);
    std::printf("%s\t%zu\t%.1f\t%.0f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\n", name.c_str(), threads, quantile(all, 0.5),
                quantile(all, 0.999), quantile(all, 1) * BATCH * 1e-6, kept / took / 1e6, used / kept * 1e6, kept / offered,
                static_cast<double>(found.st_size) / (kept * LENGTH));
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: peers SUBJECT THREADS RECORDS FILE\n");
        return 2;
    }
    loaded(argv[1], std::strtoul(argv[2], nullptr, 10), std::strtoul(argv[3], nullptr, 10), argv[4]);
    std::fflush(nullptr);
    std::_Exit(0);
}
