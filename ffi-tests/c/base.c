#include "check.h"

TEST(base_version) {
    CHECK_EQ(flr_version_number(), FLR_VERSION_NUMBER);
}

TEST(base_status_texts) {
    for (int32_t status = -50; status <= 50; status++) {
        CHECK(flr_status_text(status) != NULL);
        CHECK(flr_status_text(status)[0] != '\0');
    }
    CHECK(strcmp(flr_status_text(FLR_OK), "success") == 0);
    CHECK(flr_status_text(INT32_MIN) == flr_status_text(INT32_MAX));
}

TEST(base_errors_leave_a_message_and_success_leaves_it_alone) {
    flr_ring *ring = NULL;
    CHECK_EQ(flr_ring_create(0, &ring), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "capacity is 0") != NULL);
    CHECK_EQ(flr_last_errno(), 0);
    CHECK_OK(flr_ring_create(8, &ring));
    CHECK(strstr(flr_last_error(), "capacity is 0") != NULL);
    flr_ring_destroy(ring);
}
