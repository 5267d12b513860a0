/* The test kit: TEST(name) { ... CHECK(condition); ... }. A failed check names its place and ends the process, which works
   the same in a thread of the test and in a forked child. */
#ifndef FLRTEST_CHECK_H
#define FLRTEST_CHECK_H

#include <flightring/flightring.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
#define TEST(name)                                 \
    extern "C" void flrtest_##name(void);          \
    extern "C" void flrtest_##name(void)
#else
#define TEST(name)              \
    void flrtest_##name(void);  \
    void flrtest_##name(void)
#endif

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: CHECK(%s) failed; last error: \"%s\"\n", __FILE__, __LINE__,  \
                    #condition, flr_last_error());                                                \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

/* For statuses and sizes: shows both sides. */
#define CHECK_EQ(left, right)                                                                     \
    do {                                                                                          \
        long long left_ = (long long)(left), right_ = (long long)(right);                         \
        if (left_ != right_) {                                                                    \
            fprintf(stderr, "%s:%d: %s is %lld, not %s (%lld); last error: \"%s\"\n", __FILE__,   \
                    __LINE__, #left, left_, #right, right_, flr_last_error());                    \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

#define CHECK_OK(call) CHECK_EQ(call, FLR_OK)

#endif
