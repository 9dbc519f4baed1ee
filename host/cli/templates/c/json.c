// Reading JSON where it stands: whatever it is, nothing is read behind its end.
#include "tengen.h"
#include <stdlib.h>
#include <string.h>

static bool is(json value, const char *wanted) {
  return value.at != NULL && value.at < value.end && *value.at != 0 && strchr(wanted, *value.at) != NULL;
}

static json plain(const char *at, const char *end) {
  json value = {at, end};
  while (is(value, " \t\r\n")) value.at++;
  return value;
}

// Behind a value: a text ends at its quote, an array or object where its brackets are even, the rest at a comma or bracket.
static const char *behind(json value) {
  int depth = 0;
  bool quoted = false;
  for (const char *at = value.at; at < value.end; at++) {
    if (quoted && *at == '\\') {
      at++;
      continue;
    }
    if (*at == '"') quoted = !quoted;
    if (quoted) continue;
    if (*at == '[' || *at == '{') depth++;
    if (*at == ']' || *at == '}') depth--;
    if (depth < 0 || (depth == 0 && *at == ',')) return at;
    if (depth == 0 && (*at == '"' || *at == ']' || *at == '}')) return at + 1;
  }
  return value.end;
}

// The number behind `\u`; what is no number of four digits is U+FFFD.
static uint32_t code(const char *at, const char *end) {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++, at++) {
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *digit = at < end && *at ? strchr(digits, *at) : NULL;
    if (digit == NULL) return 0xfffd;
    value = value * 16 + (uint32_t)(digit - digits) - (digit - digits > 15 ? 6 : 0);
  }
  return value;
}

static char *put(char *to, uint32_t c) {
  int length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const unsigned char first[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
  for (int i = length; i-- > 1; c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
  *to = (char)(first[length] | c);
  return to + length;
}

// A text without its quotes and escapes; NULL: it is none, or one with a byte of zero, which would end it for C.
static char *unescaped(json value) {
  if (!is(value, "\"")) return NULL;
  const char *at = value.at + 1, *end = behind(value);
  if (end[-1] == '"' && end - 1 >= at) end--;
  char *made = tengen_keep((size_t)(end - at) + 4), *to = made;
  for (; at < end; at++) {
    static const char names[] = "bfnrt", means[] = "\b\f\n\r\t";
    uint32_t c = (unsigned char)*at;
    bool escaped = c == '\\' && at + 1 < end;
    if (escaped) {
      const char *name = strchr(names, *++at);
      c = name != NULL && *name ? (unsigned char)means[name - names] : (unsigned char)*at;
    }
    if (escaped && *at == 'u') {
      c = code(at + 1, end);
      at += end - at > 4 ? 4 : end - at - 1;
      // Two halves are one character; half of one is U+FFFD.
      bool pair = c >> 10 == 0x36 && end - at > 6 && at[1] == '\\' && at[2] == 'u' && code(at + 3, end) >> 10 == 0x37;
      if (pair) c = 0x10000 + ((c & 0x3ff) << 10) + (code(at + 3, end) & 0x3ff), at += 6;
      to = put(to, c >> 11 == 0x1b ? 0xfffd : c);
    } else {
      *to++ = (char)c;
    }
    if (c == 0) return NULL;
  }
  *to = 0;
  return made;
}

// The value of an object's key; of one that is there twice, the last. One that is not there begins nowhere.
static json value_of(json object, const char *key) {
  json found = {NULL, NULL}, at = plain(object.at, object.end);
  if (!is(at, "{")) return found;
  do {
    json name = plain(at.at + 1, at.end);
    at = plain(behind(name), at.end);
    if (!is(at, ":")) break;
    json value = plain(at.at + 1, at.end);
    const char *own = unescaped(name);
    if (own != NULL && strcmp(own, key) == 0) found = value;
    at = plain(behind(value), at.end);
  } while (is(at, ","));
  return found;
}

const char *text(json object, const char *key) { return unescaped(value_of(object, key)); }

bool number(json object, const char *key, uint32_t *out) {
  json value = value_of(object, key);
  const char *at = value.at, *end = behind(value);
  uint64_t made = 0;
  for (; at < end && *at >= '0' && *at <= '9' && made <= UINT32_MAX; at++) made = made * 10 + (uint64_t)(*at - '0');
  *out = (uint32_t)made;
  return at != value.at && plain(at, end).at == end && made <= UINT32_MAX;
}
