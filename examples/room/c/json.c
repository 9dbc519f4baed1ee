// See json.h. The gateway has read what it hands over as JSON, so nothing here checks that; whatever it is, nothing is read
// behind its end.
#include "json.h"
#include <stdlib.h>
#include <string.h>

static const json NONE = {NULL, NULL};

static const char *blank(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  return at;
}

json json_read(const void *at, size_t length) {
  const char *begin = at, *end = begin + length;
  return (json){blank(begin, end), end};
}

// Behind a value: a text ends at its quote, an array or object where its brackets are even, the rest at a comma or bracket.
static const char *behind(json value) {
  const char *at = value.at;
  int depth = 0;
  bool quoted = false;
  for (; at < value.end; at++) {
    if (quoted) {
      if (*at == '\\') at++;
      else if (*at == '"') quoted = false;
      else continue;
      if (!quoted && depth == 0) return at + 1;
    } else if (*at == '"') {
      quoted = true;
    } else if (*at == '[' || *at == '{') {
      depth++;
    } else if (*at == ']' || *at == '}') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if (*at == ',' && depth == 0) {
      return at;
    }
  }
  return value.end;
}

static bool at_is(const char *at, const char *end, char wanted) { return at < end && *at == wanted; }

bool json_each(json whole, json *item, json *key) {
  if (whole.at == NULL || !(at_is(whole.at, whole.end, '[') || at_is(whole.at, whole.end, '{'))) return false;
  const char *at = item->at == NULL ? whole.at + 1 : behind(*item);
  at = blank(at, whole.end);
  if (item->at != NULL) {
    if (!at_is(at, whole.end, ',')) return false;
    at = blank(at + 1, whole.end);
  }
  if (at >= whole.end || *at == ']' || *at == '}') return false;
  if (*whole.at == '{') {
    json name = {at, whole.end};
    if (key != NULL) *key = name;
    at = blank(behind(name), whole.end);
    if (!at_is(at, whole.end, ':')) return false;
    at = blank(at + 1, whole.end);
  }
  *item = (json){at, whole.end};
  return at < whole.end;
}

json json_get(json object, const char *key) {
  if (object.at == NULL || !at_is(object.at, object.end, '{')) return NONE;
  json value = NONE, name, found = NONE;
  while (json_each(object, &value, &name)) {
    text unescaped = {0};
    // Of a key that is there twice the last one counts, as for other readers.
    if (json_text(name, &unescaped) && unescaped.length == strlen(key) &&
        memcmp(unescaped.at, key, unescaped.length) == 0)
      found = value;
    free(unescaped.at);
  }
  return found;
}

static int hex4(const char *at, const char *end) {
  int value = 0;
  if (end - at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    char c = at[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static void put_character(text *out, uint32_t c) {
  char utf8[4];
  size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const unsigned char first[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
  for (size_t i = length; i-- > 1; c >>= 6) utf8[i] = (char)(0x80 | (c & 0x3f));
  utf8[0] = (char)(first[length] | c);
  put_bytes(out, utf8, length);
}

bool json_text(json value, text *out) {
  if (value.at == NULL || !at_is(value.at, value.end, '"')) return false;
  const char *at = value.at + 1, *plain = at;
  for (; at < value.end && *at != '"'; at++) {
    if (*at != '\\') continue;
    put_bytes(out, plain, (size_t)(at - plain));
    if (++at >= value.end) return false;
    static const char names[] = "bfnrt", means[] = "\b\f\n\r\t";
    const char *name = strchr(names, *at);
    if (*at == 'u') {
      int c = hex4(at + 1, value.end);
      if (c < 0) return false;
      at += 4;
      // Two halves are one character; half of one stands as U+FFFD.
      bool pair = c >= 0xd800 && c < 0xdc00 && value.end - at > 6 && at[1] == '\\' && at[2] == 'u';
      int low = pair ? hex4(at + 3, value.end) : -1;
      if (low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
      } else if (c >= 0xd800 && c < 0xe000) {
        c = 0xfffd;
      }
      put_character(out, (uint32_t)c);
    } else {
      put_bytes(out, name != NULL && *name ? &means[name - names] : at, 1);
    }
    plain = at + 1;
  }
  if (at >= value.end) return false;
  put_bytes(out, plain, (size_t)(at - plain));
  return true;
}

bool json_number(json value, uint32_t most, uint32_t *out) {
  if (value.at == NULL) return false;
  const char *at = value.at;
  uint64_t number = 0;
  for (; at < value.end && *at >= '0' && *at <= '9'; at++) {
    number = number * 10 + (uint64_t)(*at - '0');
    if (number > most) return false;
  }
  bool ended = at == value.end || strchr(",]} \t\r\n", *at) != NULL;
  *out = (uint32_t)number;
  return at > value.at && ended;
}

void put_bytes(text *out, const char *what, size_t length) {
  if (length == 0) return;
  if (out->length + length > out->room) {
    out->room = 2 * (out->length + length);
    out->at = realloc(out->at, out->room);
    if (out->at == NULL) abort(); // A trap: the gateway starts a fresh instance.
  }
  memcpy(out->at + out->length, what, length);
  out->length += length;
}

void put(text *out, const char *what) { put_bytes(out, what, strlen(what)); }

void put_number(text *out, uint32_t number) {
  char digits[10], *at = digits + sizeof digits;
  do *--at = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  put_bytes(out, at, (size_t)(digits + sizeof digits - at));
}

void put_text(text *out, const char *what, size_t length) {
  size_t plain = 0;
  put(out, "\"");
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)what[i];
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    const char control[] = {'\\', 'u', '0', '0', (char)('0' + c / 16), "0123456789abcdef"[c % 16]};
    put_bytes(out, &what[plain], i - plain);
    put_bytes(out, control, c < 0x20 ? sizeof control : 1);
    plain = c < 0x20 ? i + 1 : i;
  }
  put_bytes(out, &what[plain], length - plain);
  put(out, "\"");
}
