// Breaks when it is told to. What comes in is ours to free; what goes out is freed by the bindings.
#include "stateful_handler_plugin.h"
#include <stdlib.h>
#include <string.h>

typedef stateful_handler_plugin_string_t string;
typedef tengen_gateway_types_decision_t decision;

static volatile int nothing;

static string copy(const char *what) {
  string copy;
  stateful_handler_plugin_string_dup(&copy, what);
  return copy;
}

static int divide(int all) {
  return all / nothing; // It traps here.
}

__attribute__((noinline)) static void spin(void) { for (;;) nothing = nothing; } // It stays here.

static void message(tengen_gateway_types_message_t *message) {
#define IS(name) (message->id.len == strlen(name) && memcmp(message->id.ptr, name, message->id.len) == 0)
  if (IS("broken/divide")) nothing = divide(7);
  if (IS("broken/spin")) spin();
}

bool exports_tengen_gateway_handler_handle(exports_tengen_gateway_handler_list_event_t *events,
                                           exports_tengen_gateway_handler_list_decision_t *ret, string *err) {
  (void)err;
  // All zero is a decision: done, nothing to answer, no effects.
  ret->ptr = calloc(events->len, sizeof(decision));
  if (ret->ptr == NULL) abort();
  ret->len = events->len;
  for (size_t i = 0; i < events->len; i++)
    if (events->ptr[i].what.tag == TENGEN_GATEWAY_TYPES_OCCURRENCE_MESSAGE) message(&events->ptr[i].what.val.message);
  exports_tengen_gateway_handler_list_event_free(events);
  return true;
}

void exports_tengen_gateway_plugin_describe(exports_tengen_gateway_plugin_description_t *ret) {
  *ret = (exports_tengen_gateway_plugin_description_t){
      .name = copy("broken"), .version = copy("1.0.0"), .encoding = TENGEN_GATEWAY_TYPES_ENCODING_JSON, .max_batch = 1};
}

bool exports_tengen_gateway_plugin_start(exports_tengen_gateway_plugin_start_reason_t *reason, string *err) {
  (void)reason, (void)err;
  return true;
}

void exports_tengen_gateway_plugin_stop(void) {}

bool exports_tengen_gateway_snapshot_save(uint32_t number, exports_tengen_gateway_snapshot_piece_t *ret, string *err) {
  (void)number, (void)ret;
  *err = copy("it has no state");
  return false;
}

bool exports_tengen_gateway_snapshot_load(exports_tengen_gateway_snapshot_piece_t *piece,
                                          exports_tengen_gateway_snapshot_place_t *place, string *err) {
  (void)place, (void)err;
  exports_tengen_gateway_snapshot_piece_free(piece);
  return true;
}
