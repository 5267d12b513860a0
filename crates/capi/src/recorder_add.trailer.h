#include <string.h>

/** A C string as a flr_text. It is borrowed, not copied. */
static inline flr_text flr_text_of(const char *text) FLR_NOEXCEPT {
    flr_text view;
    view.data = text;
    view.len = text == NULL ? 0 : strlen(text);
    return view;
}
#define FLR_TEXT(text) flr_text_of(text)

/** A text attribute. */
static inline flr_attribute flr_attribute_text(const char *key, const char *text) FLR_NOEXCEPT {
    flr_attribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.key = flr_text_of(key);
    attribute.text = flr_text_of(text);
    attribute.value_type = FLR_VALUE_TEXT;
    return attribute;
}

/** An integer attribute. */
static inline flr_attribute flr_attribute_int(const char *key, int64_t integer) FLR_NOEXCEPT {
    flr_attribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.key = flr_text_of(key);
    attribute.integer = integer;
    attribute.value_type = FLR_VALUE_INT;
    return attribute;
}

/** A floating-point attribute. */
static inline flr_attribute flr_attribute_double(const char *key, double real) FLR_NOEXCEPT {
    flr_attribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.key = flr_text_of(key);
    attribute.real = real;
    attribute.value_type = FLR_VALUE_DOUBLE;
    return attribute;
}

/** Bytes, as a flr_text. They are borrowed, not copied. */
static inline flr_text flr_text_of_bytes(const void *data, size_t len) FLR_NOEXCEPT {
    flr_text view;
    view.data = (const char *)data;
    view.len = len;
    return view;
}

/** An attribute whose value is a list: those of `count` attributes, whose keys do not matter. They are borrowed. */
static inline flr_attribute flr_attribute_list(const char *key, const flr_attribute *items, size_t count) FLR_NOEXCEPT {
    flr_attribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.key = flr_text_of(key);
    attribute.text = flr_text_of_bytes(items, count);
    attribute.value_type = FLR_VALUE_LIST;
    return attribute;
}

/** An attribute whose value is `count` named values. They are borrowed. */
static inline flr_attribute flr_attribute_map(const char *key, const flr_attribute *items, size_t count) FLR_NOEXCEPT {
    flr_attribute attribute = flr_attribute_list(key, items, count);
    attribute.value_type = FLR_VALUE_MAP;
    return attribute;
}
