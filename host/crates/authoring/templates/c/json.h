/* JSON, as far as an action needs it: fields of an object are read, and a text is put together. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text that grows. Starts as {0}; its memory is given back by free(out.text). */
typedef struct {
    char *text;
    size_t length, capacity;
} json_out;

/* Appends a text as it is. */
void json_raw(json_out *out, const char *text);
/* Appends a text as a string of JSON, in quotes. */
void json_quoted(json_out *out, const char *text);

/* The string that a field of an object holds, decoded; to be given back by free(). NULL where there is no such field, it holds
   no string, or the string has a NUL in it. */
char *json_string(const uint8_t *json, size_t length, const char *field);
/* Whether a field of an object holds a number, and which. */
bool json_number(const uint8_t *json, size_t length, const char *field, double *value);

#endif
