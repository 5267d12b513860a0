// A service in small: several threads log real text, children are spawned and their output is kept in replay buffers, one
// reader is disconnected and resumes, and in the end everything that was accepted is read back and compared.
//
//   service LOG [INPUT]      INPUT: a text file or a folder; without it, text found under /usr/share/doc and /var/log
#include <flightring/flightring.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;

namespace {

constexpr unsigned logging_threads = 4;
constexpr std::uintmax_t most_input = 64u << 20; // bytes; enough to see, and soon over

// What was logged, or read back: independent of order, because threads interleave.
struct digest {
    std::uint64_t lines = 0, bytes = 0, sum = 0;

    void add(std::string_view line) {
        std::uint64_t hash = 0xcbf29ce484222325u; // FNV-1a, 64 bit
        for (unsigned char byte : line) {
            hash = (hash ^ byte) * 0x100000001b3u;
        }
        lines += 1;
        bytes += line.size();
        sum += hash;
    }
    void add(const digest &other) {
        lines += other.lines;
        bytes += other.bytes;
        sum += other.sum;
    }
    bool operator==(const digest &other) const {
        return lines == other.lines && bytes == other.bytes && sum == other.sum;
    }
};

struct counts {
    std::uint64_t offered = 0, dropped = 0;
    digest accepted;
    std::chrono::nanoseconds in_calls{0};
};

void require(bool condition, const std::string &what) {
    if (!condition) {
        throw std::runtime_error(what);
    }
}

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

std::string contents(const fs::path &path) {
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    const bool is_text = std::string_view(text).substr(0, 4096).find('\0') == std::string_view::npos;
    return is_text && path.extension() != ".gz" ? text : std::string();
}

std::vector<std::string> real_input(const std::vector<fs::path> &places) {
    std::vector<std::string> texts;
    std::uintmax_t total = 0;
    const auto take = [&](const fs::path &path) {
        texts.push_back(contents(path));
        total += texts.back().size();
    };
    for (const fs::path &place : places) {
        std::error_code ignored; // what may not be read is not input
        if (fs::is_regular_file(place, ignored)) {
            take(place);
            continue;
        }
        const auto options = fs::directory_options::skip_permission_denied;
        for (fs::recursive_directory_iterator at(place, options, ignored), end; at != end; at.increment(ignored)) {
            if (total < most_input && at->is_regular_file(ignored) && !at->is_symlink(ignored)) {
                take(at->path());
            }
        }
    }
    return texts;
}

// Logs lines and counts what became of them. Only the calls are timed.
void log_lines(flightring::logger &log, const std::vector<std::string_view> &lines, counts &counted) {
    std::vector<flr_status> outcomes(lines.size());
    const auto begin = steady::now();
    for (std::size_t i = 0; i < lines.size(); i++) {
        outcomes[i] = log.write(lines[i]);
    }
    counted.in_calls += steady::now() - begin;
    for (std::size_t i = 0; i < lines.size(); i++) {
        counted.offered += 1;
        if (outcomes[i] == FLR_OK) {
            counted.accepted.add(lines[i]);
        } else {
            flightring::check(outcomes[i]);
            counted.dropped += 1;
        }
    }
}

// A child process whose output is logged line by line and kept in a replay buffer.
struct child {
    // `$1` in the command is the argument.
    explicit child(std::string shell_command, std::string its_argument = {})
        : command(std::move(shell_command)), argument(std::move(its_argument)) {}

    void run(flightring::logger &log) {
        int ends[2];
        require(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        std::string shell = "sh", flag = "-c";
        char *arguments[] = {shell.data(), flag.data(), command.data(), shell.data(), argument.data(), nullptr};
        pid_t pid = 0;
        const int refused = posix_spawn(&pid, "/bin/sh", &actions, nullptr, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        require(refused == 0, "could not start a shell");

        char chunk[16 * 1024];
        std::string partial;
        for (ssize_t got; (got = read(ends[0], chunk, sizeof chunk)) > 0;) {
            const std::string_view bytes(chunk, static_cast<std::size_t>(got));
            flightring::check(history.write(bytes));
            output += bytes;
            partial += bytes;
            const std::size_t complete = partial.rfind('\n') + 1; // 0 if there is none
            log_lines(log, lines_of(std::string_view(partial).substr(0, complete)), counted);
            partial.erase(0, complete);
        }
        log_lines(log, lines_of(partial), counted);
        history.close();
        close(ends[0]);
        waitpid(pid, nullptr, 0);
    }

    std::string command, argument;
    flightring::replay_buffer history{256 * 1024};
    std::string output; // all of it, to compare with
    counts counted;
};

// Reads a child's history from `offset` until it ends or `most` bytes were seen, and returns where to resume.
std::uint64_t follow(const child &source, std::uint64_t offset, std::uint64_t most, digest &seen) {
    std::vector<char> chunk(4096);
    for (std::uint64_t received = 0; received < most;) {
        const auto span = source.history.read(offset, chunk.data(), chunk.size());
        if (span.status == FLR_END) {
            break;
        }
        require(span.status == FLR_OK, "a reader's offset is not from this buffer");
        require(span.start == offset + span.skipped, "a gap was not accounted for");
        seen.add(std::string_view(chunk.data(), span.len));
        offset = span.next();
        received += span.len + span.skipped;
        if (span.len == 0) {
            source.history.wait(offset, std::chrono::milliseconds(1000));
        }
    }
    return offset;
}

// The retained end of a child's output, checked against what the child really wrote.
std::string tail_of(const child &source) {
    std::string tail(source.history.total() - source.history.oldest(), '\0');
    const auto span = source.history.read(source.history.oldest(), tail.data(), tail.size());
    tail.resize(span.len);
    require(span.total == source.output.size(), "the history counts other bytes than the child wrote");
    require(source.output.compare(span.start, span.len, tail) == 0, "the history differs from what the child wrote");
    return tail;
}

void run(const std::string &log_path, const std::vector<fs::path> &places) {
    const std::vector<std::string> texts = real_input(places);

    std::vector<child> children;
    if (places.size() == 1) {
        children.emplace_back("find \"$1\" -type f -exec sort {} +", places[0].string());
        children.emplace_back("find \"$1\" -type f -exec wc {} +", places[0].string());
    } else {
        children.emplace_back("ls -lR /usr/share /etc 2>/dev/null | head -n 40000");
        children.emplace_back("cat /proc/cpuinfo /proc/meminfo /proc/self/maps");
    }

    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = log_path.c_str();
    flightring::logger log(options);

    // Threads that log files, and one thread per child.
    std::vector<counts> counted(logging_threads);
    std::atomic<std::size_t> next_text{0};
    std::atomic<bool> failed{false};
    std::vector<std::thread> threads;
    const auto start = [&](auto body) {
        threads.emplace_back([&failed, body] {
            try {
                body();
            } catch (const std::exception &failure) {
                std::fprintf(stderr, "service: %s\n", failure.what());
                failed = true;
            }
        });
    };
    for (counts &mine : counted) {
        start([&] {
            for (std::size_t i; (i = next_text++) < texts.size();) {
                log_lines(log, lines_of(texts[i]), mine);
            }
        });
    }
    for (child &each : children) {
        start([&] { each.run(log); });
    }

    // A reader of the first child goes away after 8 KiB. It resumes when everything is over, and is told what it missed.
    digest seen;
    const std::uint64_t left_at = follow(children[0], 0, 8 * 1024, seen);
    for (std::thread &thread : threads) {
        thread.join();
    }
    require(!failed, "a thread failed, see above");
    const std::uint64_t ended_at = follow(children[0], left_at, UINT64_MAX, seen);
    require(ended_at == children[0].output.size(), "the resumed reader did not reach the end");

    flightring::check(log.close());
    const flr_logger_stats stats = log.stats();

    counts total;
    const auto add = [&](const counts &part) {
        total.offered += part.offered;
        total.dropped += part.dropped;
        total.accepted.add(part.accepted);
        total.in_calls += part.in_calls;
    };
    std::for_each(counted.begin(), counted.end(), add);
    std::for_each(children.begin(), children.end(), [&](const child &each) { add(each.counted); });

    digest decoded;
    flightring::reader reader(log_path);
    for (const flightring::record &record : reader) {
        if (!record.is_marker) {
            decoded.add(record.text());
        }
    }
    const flr_reader_stats read = reader.stats();

    const double calls = static_cast<double>(std::max<std::uint64_t>(total.offered, 1));
    std::printf("%-28s%14" PRIu64 "\n", "lines in", total.offered);
    std::printf("%-28s%14" PRIu64 "\n", "accepted", stats.accepted);
    std::printf("%-28s%14" PRIu64 "\n", "dropped", stats.dropped);
    std::printf("%-28s%14" PRIu64 "\n", "decoded", decoded.lines);
    std::printf("%-28s%14" PRIu64 "\n", "bytes of text", decoded.bytes);
    std::printf("%-28s%14" PRIu64 "\n", "bytes in the file", stats.bytes_written);
    std::printf("%-28s%14" PRIu64 "\n", "blocks", read.blocks);
    std::printf("%-28s%14.1f\n", "ns per call", static_cast<double>(total.in_calls.count()) / calls);
    std::printf("%-28s%14" PRIu64 "\n", "reader left at offset", left_at);
    std::printf("%-28s%14" PRIu64 "\n", "... and read up to", ended_at);
    std::printf("%-28s%14" PRIu64 "\n", "... bytes seen of those", seen.bytes);
    for (const child &each : children) {
        const std::string tail = tail_of(each);
        const auto lines = lines_of(tail);
        std::printf("\nend of the history of `%s`:\n", each.command.c_str());
        for (std::size_t i = lines.size() - std::min<std::size_t>(lines.size(), 3); i < lines.size(); i++) {
            std::printf("  %.*s\n", static_cast<int>(std::min<std::size_t>(lines[i].size(), 100)), lines[i].data());
        }
    }

    require(total.offered > 0, "there was no input");
    require(stats.offered == total.offered, "the logger was offered another number of lines");
    require(stats.accepted + stats.dropped == stats.offered, "accepted + dropped is not offered");
    require(stats.dropped == total.dropped, "the logger counted other drops than the callers");
    require(decoded.lines == stats.accepted, "decoded is not accepted");
    require(decoded == total.accepted, "what was read back is not what was accepted");
    std::printf("\nevery accepted line was read back, unchanged\n");
}

} // namespace

int main(int argc, char **argv) try {
    if (argc < 2 || argc > 3) {
        std::fprintf(stderr, "usage: %s LOG [INPUT]\n", argv[0]);
        return 2;
    }
    std::vector<fs::path> places{"/usr/share/doc", "/var/log"};
    if (argc == 3) {
        places = {argv[2]};
        require(fs::exists(places[0]), "no such file or folder: " + places[0].string());
    }
    require(!fs::exists(argv[1]), std::string(argv[1]) + " exists; give the path of a new log");
    run(argv[1], places);
    return 0;
} catch (const std::exception &failure) {
    std::fprintf(stderr, "service: FAILED: %s\n", failure.what());
    return 1;
}
