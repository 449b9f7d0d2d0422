#include "json.h"

#include <stdlib.h>
#include <string.h>

/* Memory that is asked for and not there ends the attempt: its limit is reached. */
static void *need(void *memory) {
    if (!memory) abort();
    return memory;
}

static void append(json_out *out, const char *bytes, size_t length) {
    if (out->length + length + 1 > out->capacity) {
        out->capacity = (out->length + length + 1) * 2;
        out->text = need(realloc(out->text, out->capacity));
    }
    memcpy(out->text + out->length, bytes, length);
    out->length += length;
    out->text[out->length] = 0;
}

void json_raw(json_out *out, const char *text) { append(out, text, strlen(text)); }

void json_quoted(json_out *out, const char *text) {
    static const char hex[] = "0123456789abcdef";
    append(out, "\"", 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            char escaped[2] = {'\\', (char)c};
            append(out, escaped, 2);
        } else if (c < 0x20) {
            char escaped[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            append(out, escaped, 6);
        } else {
            append(out, text, 1);
        }
    }
    append(out, "\"", 1);
}

/* What is left to be read. */
typedef struct {
    const char *at, *end;
} input;

static bool is_any(char c, const char *set) { return c && strchr(set, c); }

static void skip_blanks(input *in) {
    while (in->at < in->end && is_any(*in->at, " \t\r\n")) in->at++;
}

static bool take(input *in, char c) {
    skip_blanks(in);
    if (in->at == in->end || *in->at != c) return false;
    in->at++;
    return true;
}

/* The code unit behind `\u`, or -1. */
static long unit(input *in) {
    long value = 0;
    if (in->end - in->at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = *in->at++;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static void append_code_point(json_out *out, long code) {
    char bytes[4];
    size_t length;
    if (code < 0x80) {
        bytes[0] = (char)code, length = 1;
    } else if (code < 0x800) {
        bytes[0] = (char)(0xc0 | code >> 6), bytes[1] = (char)(0x80 | (code & 63)), length = 2;
    } else if (code < 0x10000) {
        bytes[0] = (char)(0xe0 | code >> 12), bytes[1] = (char)(0x80 | (code >> 6 & 63));
        bytes[2] = (char)(0x80 | (code & 63)), length = 3;
    } else {
        bytes[0] = (char)(0xf0 | code >> 18), bytes[1] = (char)(0x80 | (code >> 12 & 63));
        bytes[2] = (char)(0x80 | (code >> 6 & 63)), bytes[3] = (char)(0x80 | (code & 63)), length = 4;
    }
    append(out, bytes, length);
}

/* What stands behind a backslash. */
static bool read_escape(input *in, json_out *out) {
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    if (in->at == in->end) return false;
    char c = *in->at++;
    const char *known = c ? strchr(names, c) : NULL;
    if (known) {
        append(out, &bytes[known - names], 1);
        return true;
    }
    long code = c == 'u' ? unit(in) : -1;
    if (code >= 0xd800 && code < 0xdc00) {
        if (in->end - in->at < 2 || in->at[0] != '\\' || in->at[1] != 'u') return false;
        in->at += 2;
        long low = unit(in);
        if (low < 0xdc00 || low > 0xdfff) return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return false;
    }
    if (code < 0) return false;
    append_code_point(out, code);
    return true;
}

static bool read_string(input *in, json_out *out) {
    if (!take(in, '"')) return false;
    append(out, "", 0);
    while (in->at < in->end) {
        char c = *in->at++;
        if (c == '"') return true;
        if (c == '\\') {
            if (!read_escape(in, out)) return false;
        } else {
            append(out, &c, 1);
        }
    }
    return false;
}

/* Passes one value, whatever is in it. */
static bool skip_value(input *in) {
    int depth = 0;
    do {
        skip_blanks(in);
        if (in->at == in->end) return false;
        char c = *in->at;
        if (c == '"') {
            json_out ignored = {0};
            bool whole = read_string(in, &ignored);
            free(ignored.text);
            if (!whole) return false;
        } else if (c == '{' || c == '[') {
            depth++, in->at++;
        } else if (c == '}' || c == ']') {
            depth--, in->at++;
        } else if (c == ',' || c == ':') {
            in->at++;
        } else {
            while (in->at < in->end && !is_any(*in->at, " \t\r\n,:]}\"")) in->at++;
        }
    } while (depth > 0);
    return depth == 0;
}

/* Goes to the value of a field. */
static bool find(input *in, const char *field) {
    if (!take(in, '{')) return false;
    do {
        json_out name = {0};
        bool found = read_string(in, &name) && take(in, ':');
        bool same = found && strlen(field) == name.length && memcmp(field, name.text, name.length) == 0;
        free(name.text);
        if (!found) return false;
        if (same) {
            skip_blanks(in);
            return in->at < in->end;
        }
        if (!skip_value(in)) return false;
    } while (take(in, ','));
    return false;
}

char *json_string(const uint8_t *json, size_t length, const char *field) {
    input in = {(const char *)json, (const char *)json + length};
    json_out out = {0};
    if (find(&in, field) && read_string(&in, &out) && strlen(out.text) == out.length) return out.text;
    free(out.text);
    return NULL;
}

bool json_number(const uint8_t *json, size_t length, const char *field, double *value) {
    input in = {(const char *)json, (const char *)json + length};
    char digits[64];
    size_t count = 0;
    if (!find(&in, field)) return false;
    while (in.at + count < in.end && count + 1 < sizeof digits && is_any(in.at[count], "+-.0123456789eE")) count++;
    memcpy(digits, in.at, count);
    digits[count] = 0;
    char *end;
    *value = strtod(digits, &end);
    return count > 0 && *end == 0;
}
