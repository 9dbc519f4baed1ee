// As much of JSON as a room needs: values are read where they stand, and written behind one another.
#ifndef JSON_H
#define JSON_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes that grow, or bytes of somebody else's.
typedef struct {
  char *at;
  size_t length, room;
} text;

// Where a value begins, and where what it is part of ends. A value that is not there begins nowhere.
typedef struct {
  const char *at, *end;
} json;

json json_read(const void *at, size_t length);
// The value of an object's key; none if it is no object, or has no such key.
json json_get(json object, const char *key);
// Goes over the items of an array, or the keys and values of an object (`key` may be NULL): begin with a zero `item`.
bool json_each(json whole, json *item, json *key);
// A text, unescaped, behind what is in `out`. False if the value is no text.
bool json_text(json value, text *out);
// A whole number up to `most`, written without fraction or exponent.
bool json_number(json value, uint32_t most, uint32_t *out);

void put(text *out, const char *what);
void put_bytes(text *out, const char *what, size_t length);
void put_number(text *out, uint32_t number);
// Quoted, and escaped.
void put_text(text *out, const char *what, size_t length);
#endif
