// {{name}}: who says something is told its number, and everybody else hears it.
#include "tengen.h"
#include <string.h>

// The channel that everybody is in; the grant is `publish` in tengen.toml.
#define ROOM "{{name}}/room"

static uint32_t count;

static void opened(decision *d, uint32_t connection) { subscribe(d, connection, ROOM); }

static void message(decision *d, uint32_t from, const char *id, json data) {
  if (strcmp(id, "{{name}}/say") != 0) return fail(d, "unknown-event", "say something by `{{name}}/say`");
  const char *said = text(data, "text");
  if (said == NULL || *said == 0) return fail(d, "malformed", "say a word at least");
  count++;
  reply(d, "{\"number\":%u}", count);
  publish(d, ROOM, "{{name}}/said", from, "{\"number\":%u,\"text\":%s}", count, said);
}

const plugin this_plugin = {.name = "{{name}}", .version = "0.1.0", .opened = opened, .message = message};
