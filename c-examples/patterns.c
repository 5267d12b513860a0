/* Counts the kinds of lines on standard input, or in a file, and masks a single line. */
#include <flightring/flightring.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(flr_status status) {
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", flr_status_text(status), flr_last_error());
        exit(1);
    }
}

int main(int argc, char **argv) {
    const char *line = "user 17 logged in from 10.0.0.1 (session a7f3)";
    char pattern[FLR_NORMALISE_BOUND(64)];
    size_t len = 0;
    must(flr_normalise_line(line, strlen(line), pattern, sizeof pattern, &len));
    printf("%s\n%.*s\n\n", line, (int)len, pattern);

    flr_normaliser_options options = FLR_NORMALISER_OPTIONS_INIT;
    options.mode = FLR_NORMALISER_MODE_TYPED;
    flr_pattern_counter *counter = NULL;
    must(flr_pattern_counter_create(&options, &counter));
    FILE *input = argc > 1 ? fopen(argv[1], "rb") : stdin;
    if (!input) {
        perror(argv[1]);
        return 1;
    }
    char chunk[65536];
    size_t read;
    while ((read = fread(chunk, 1, sizeof chunk, input)) > 0) {
        must(flr_pattern_counter_feed(counter, chunk, read));
    }
    fclose(input);

    flr_pattern_counter_stats stats = FLR_PATTERN_COUNTER_STATS_INIT;
    must(flr_pattern_counter_get_stats(counter, &stats));
    printf("%llu lines, %llu patterns, the most frequent:\n", (unsigned long long)stats.lines,
           (unsigned long long)stats.patterns);
    char *top = NULL;
    must(flr_pattern_counter_top_json(counter, 5, NULL, 0, &len));
    top = malloc(len ? len : 1);
    if (!top) {
        return 1;
    }
    must(flr_pattern_counter_top_json(counter, 5, top, len, &len));
    printf("%.*s\n", (int)len, top);
    free(top);
    flr_pattern_counter_destroy(counter);
    return 0;
}
