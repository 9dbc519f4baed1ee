// The gateway's interface as a plugin in C sees it: wit/ has all of it, and tengen.c how more of it is brought in.
// Texts that are handed over are copied; those that come are good until the function returns.
#ifndef TENGEN_H
#define TENGEN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct decision decision;              // About one event: that it is done, unless `fail` is called.
typedef struct { const char *at, *end; } json; // What a client has sent: it need not be what is expected.

// Who the plugin is, and what is called when something happens; what is left out is not called.
typedef struct {
  const char *name, *version;
  void (*opened)(decision *d, uint32_t connection);
  void (*message)(decision *d, uint32_t from, const char *id, json data);
  void (*closed)(decision *d, uint32_t connection);
} plugin;
extern const plugin this_plugin;

const char *text(json object, const char *key); // Of this key; NULL: there is none, or it is no text.
bool number(json object, const char *key, uint32_t *out); // False: there is none, or it is no whole number.
char *tengen_keep(size_t size); // Memory that is good until the function returns.

// Data is written as JSON, by a pattern: %u stands for a number (uint32_t), %s for a text, which is quoted.
void reply(decision *d, const char *pattern, ...);
void fail(decision *d, const char *id, const char *message); // Nothing else that was decided is done.
void subscribe(decision *d, uint32_t connection, const char *channel);
// `except`: the connection that does not get it; 0: all do.
void publish(decision *d, const char *channel, const char *id, uint32_t except, const char *pattern, ...);
void push(decision *d, uint32_t to, const char *id, const char *pattern, ...);
#endif
