// See tengen.h. The bindings free what is handed over, so every text in it is a copy of its own.
#include "tengen.h"
#include "handler_plugin.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef handler_plugin_string_t string;
typedef tengen_gateway_types_content_t content;
struct decision { tengen_gateway_types_decision_t it; };

// What is freed when a call ends.
static void **kept;
static size_t kept_count;

static void *sized(void *old, size_t size) {
  void *new = realloc(old, size);
  if (new == NULL) abort(); // A trap: the gateway starts a fresh instance.
  return new;
}

char *tengen_keep(size_t size) {
  kept = sized(kept, (kept_count + 1) * sizeof *kept);
  return kept[kept_count++] = sized(NULL, size);
}

static void put(string *out, const char *what, size_t length) {
  out->ptr = sized(out->ptr, out->len + length + 1);
  memcpy(out->ptr + out->len, what, length);
  out->len += length;
}

static string copy(const char *what) {
  string made = {0};
  return put(&made, what, strlen(what)), made;
}

static void put_number(string *out, uint32_t number) {
  char digits[10], *at = digits + sizeof digits;
  do *--at = (char)('0' + number % 10); while ((number /= 10) > 0);
  put(out, at, (size_t)(digits + sizeof digits - at));
}

static void put_quoted(string *out, const char *what) {
  put(out, "\"", 1);
  for (; *what; what++) {
    size_t plain = 0;
    while ((unsigned char)what[plain] >= 0x20 && what[plain] != '"' && what[plain] != '\\') plain++;
    put(out, what, plain);
    if (*(what += plain) == 0) break;
    const char code[] = {'\\', 'u', '0', '0', (char)('0' + *what / 16), "0123456789abcdef"[*what % 16]};
    put(out, code, sizeof code);
  }
  put(out, "\"", 1);
}

static content written(const char *pattern, va_list fill) {
  string out = {0};
  for (; *pattern; pattern++) {
    if (*pattern != '%') put(&out, pattern, 1);
    else if (*++pattern == 's') put_quoted(&out, va_arg(fill, const char *));
    else put_number(&out, va_arg(fill, uint32_t));
  }
  content made = {.tag = TENGEN_GATEWAY_TYPES_CONTENT_PAYLOAD};
  made.val.payload.encoding = TENGEN_GATEWAY_TYPES_ENCODING_JSON;
  made.val.payload.body.tag = TENGEN_GATEWAY_TYPES_BODY_TEXT;
  made.val.payload.body.val.text = out;
  return made;
}

#define WRITTEN(into, pattern) va_list fill; va_start(fill, pattern); into = written(pattern, fill); va_end(fill)

static tengen_gateway_types_action_t *act(decision *d, uint8_t tag) {
  tengen_gateway_types_list_effect_t *effects = &d->it.val.done.effects;
  effects->ptr = sized(effects->ptr, (effects->len + 1) * sizeof *effects->ptr);
  effects->ptr[effects->len] = (tengen_gateway_types_effect_t){.what.tag = tag};
  return &effects->ptr[effects->len++].what;
}

void reply(decision *d, const char *pattern, ...) {
  d->it.val.done.answer.tag = TENGEN_GATEWAY_TYPES_ANSWER_GIVEN;
  WRITTEN(d->it.val.done.answer.val.given, pattern);
}

void fail(decision *d, const char *id, const char *message) {
  tengen_gateway_types_decision_free(&d->it);
  d->it = (tengen_gateway_types_decision_t){.tag = TENGEN_GATEWAY_TYPES_DECISION_FAILED};
  d->it.val.failed.why = (tengen_gateway_types_fault_t){copy(id), copy(message), {false, 0}};
}

void subscribe(decision *d, uint32_t connection, const char *channel) {
  tengen_gateway_types_membership_t it = {connection, copy(channel)};
  act(d, TENGEN_GATEWAY_TYPES_ACTION_SUBSCRIBE)->val.subscribe = it;
}

void publish(decision *d, const char *channel, const char *id, uint32_t except, const char *pattern, ...) {
  tengen_gateway_types_publish_t *it = &act(d, TENGEN_GATEWAY_TYPES_ACTION_PUBLISH)->val.publish;
  *it = (tengen_gateway_types_publish_t){.channel = copy(channel), .id = copy(id), .exclude = {except != 0, except}};
  WRITTEN(it->content, pattern);
}

void push(decision *d, uint32_t to, const char *id, const char *pattern, ...) {
  tengen_gateway_types_push_t *it = &act(d, TENGEN_GATEWAY_TYPES_ACTION_PUSH)->val.push;
  *it = (tengen_gateway_types_push_t){.id = copy(id)};
  it->to.tag = TENGEN_GATEWAY_TYPES_TARGET_CONNECTION;
  it->to.val.connection = to;
  WRITTEN(it->content, pattern);
}

static void decide(decision *d, tengen_gateway_types_event_t *event) {
  uint32_t who = event->connection.val;
  if (event->what.tag == TENGEN_GATEWAY_TYPES_OCCURRENCE_OPENED && this_plugin.opened) this_plugin.opened(d, who);
  if (event->what.tag == TENGEN_GATEWAY_TYPES_OCCURRENCE_CLOSED && this_plugin.closed) this_plugin.closed(d, who);
  if (event->what.tag != TENGEN_GATEWAY_TYPES_OCCURRENCE_MESSAGE || !this_plugin.message) return;
  tengen_gateway_types_message_t *message = &event->what.val.message;
  string body = message->payload.body.val.text;
  char *id = tengen_keep(message->id.len + 1);
  memcpy(id, message->id.ptr, message->id.len);
  id[message->id.len] = 0;
  // What has no form in JSON comes as it is, and nothing is found in it.
  size_t length = message->payload.encoding == TENGEN_GATEWAY_TYPES_ENCODING_JSON ? body.len : 0;
  this_plugin.message(d, who, id, (json){(char *)body.ptr, (char *)body.ptr + length});
}

bool exports_tengen_gateway_handler_handle(exports_tengen_gateway_handler_list_event_t *events,
                                           exports_tengen_gateway_handler_list_decision_t *ret, string *err) {
  (void)err;
  // All zero is a decision: done, nothing to answer, no effects.
  size_t size = events->len * sizeof *ret->ptr + 1;
  ret->ptr = memset(sized(NULL, size), 0, size);
  ret->len = events->len;
  for (size_t i = 0; i < events->len; i++) decide((decision *)&ret->ptr[i], &events->ptr[i]);
  exports_tengen_gateway_handler_list_event_free(events);
  while (kept_count > 0) free(kept[--kept_count]);
  return true;
}

void exports_tengen_gateway_plugin_describe(exports_tengen_gateway_plugin_description_t *ret) {
  *ret = (exports_tengen_gateway_plugin_description_t){
      .name = copy(this_plugin.name), .version = copy(this_plugin.version),
      .encoding = TENGEN_GATEWAY_TYPES_ENCODING_JSON, .max_batch = 64};
}

bool exports_tengen_gateway_plugin_start(exports_tengen_gateway_plugin_start_reason_t *reason, string *err) {
  (void)err;
  exports_tengen_gateway_plugin_start_reason_free(reason);
  return true;
}

void exports_tengen_gateway_plugin_stop(void) {}
