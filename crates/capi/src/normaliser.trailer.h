/**
 * A buffer of so many bytes is enough for the pattern of a line of `len` bytes, for every mode and without rules; see
 * flr_normaliser_bound() for rules.
 */
#define FLR_NORMALISE_BOUND(len) ((size_t)(len) * 4 + 64)
