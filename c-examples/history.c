/* Keeps the newest bytes of a stream in fixed memory, and reads them back. */
#include <flightring/flightring.h>

#include <stdio.h>
#include <stdlib.h>

static void must(flr_status status) {
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", flr_status_text(status), flr_last_error());
        exit(1);
    }
}

int main(void) {
    flr_ring *ring = NULL;
    must(flr_ring_create(64, &ring));

    for (int i = 1; i <= 100; i++) {
        char line[32];
        int len = snprintf(line, sizeof line, "event %d happened\n", i);
        must(flr_ring_write(ring, line, (size_t)len));
    }

    char recent[64];
    size_t held = 0;
    must(flr_ring_history(ring, recent, sizeof recent, &held));
    printf("the last %zu bytes:\n%.*s", held, (int)held, recent);

    flr_ring_destroy(ring);
    return 0;
}
