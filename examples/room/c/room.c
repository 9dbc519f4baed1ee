// A moderated room in C: who came first may send others out. What is in the rooms is kept over reloads.
//
// What comes in is ours to free; what goes out is freed by the bindings, so every text in it is a copy of its own.
#include "json.h"
#include "stateful_handler_plugin.h"
#include <stdlib.h>
#include <string.h>

typedef stateful_handler_plugin_string_t string;
typedef tengen_gateway_types_action_t action;
typedef tengen_gateway_types_content_t content;
typedef tengen_gateway_types_decision_t decision;
typedef tengen_gateway_types_effect_t effect;
typedef tengen_gateway_types_event_t event;
typedef tengen_gateway_types_fault_t fault;

// A connection in a room. All rooms are in one list: whoever comes first in a room came first.
typedef struct {
  uint32_t handle;
  text room, name;
} member;

static member *members;
static size_t count;

static string copy(const char *what) {
  string copy;
  stateful_handler_plugin_string_dup(&copy, what);
  return copy;
}

static string moved(text what) { return (string){(uint8_t *)what.at, what.length}; }

static void *at_least(void *old, size_t size) {
  void *new = realloc(old, size);
  if (new == NULL) abort(); // A trap: the gateway starts a fresh instance.
  return new;
}

static bool same(text a, text b) { return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0); }

static member *find(uint32_t handle) {
  for (size_t i = 0; i < count; i++)
    if (members[i].handle == handle) return &members[i];
  return NULL;
}

static void add(uint32_t handle, text room, text name) {
  members = at_least(members, (count + 1) * sizeof *members);
  members[count++] = (member){handle, room, name};
}

static content written(text json) {
  content made = {.tag = TENGEN_GATEWAY_TYPES_CONTENT_PAYLOAD};
  made.val.payload.encoding = TENGEN_GATEWAY_TYPES_ENCODING_JSON;
  made.val.payload.body.tag = TENGEN_GATEWAY_TYPES_BODY_TEXT;
  made.val.payload.body.val.text = moved(json);
  return made;
}

// A value in JSON: each `%` in the pattern stands for one of our texts, quoted.
static content value(const char *pattern, text a, text b) {
  text json = {0}, fill[] = {a, b}, *next = fill;
  for (const char *at = pattern; *at; at++) {
    if (*at != '%') put_bytes(&json, at, 1);
    else put_text(&json, next->at, next->length), next++;
  }
  return written(json);
}

static content of_event(uint32_t index) {
  return (content){.tag = TENGEN_GATEWAY_TYPES_CONTENT_OF_EVENT, .val.of_event = index};
}

static fault why(const char *id, const char *message) {
  return (fault){copy(id), copy(message), {false, 0}};
}

static void fail(decision *d, const char *id, const char *message) {
  *d = (decision){.tag = TENGEN_GATEWAY_TYPES_DECISION_FAILED, .val.failed.why = why(id, message)};
}

static void give(decision *d, content what) {
  d->val.done.answer.tag = TENGEN_GATEWAY_TYPES_ANSWER_GIVEN;
  d->val.done.answer.val.given = what;
}

static action *act(decision *d, uint8_t tag, const char *key) {
  tengen_gateway_types_list_effect_t *effects = &d->val.done.effects;
  effects->ptr = at_least(effects->ptr, (effects->len + 1) * sizeof(effect));
  effect *new = &effects->ptr[effects->len++];
  *new = (effect){.what.tag = tag};
  if (key != NULL) new->key.is_some = true, new->key.val = copy(key);
  return &new->what;
}

static string channel(text room) {
  text name = {0};
  put(&name, "room/");
  put_bytes(&name, room.at, room.length);
  return moved(name);
}

static void publish(decision *d, text room, const char *id, content what, uint32_t except) {
  tengen_gateway_types_publish_t *publish = &act(d, TENGEN_GATEWAY_TYPES_ACTION_PUBLISH, NULL)->val.publish;
  *publish = (tengen_gateway_types_publish_t){channel(room), copy(id), what, {except != 0, except}, false};
}

static void push(decision *d, uint32_t to, const char *id, content what) {
  tengen_gateway_types_push_t *push = &act(d, TENGEN_GATEWAY_TYPES_ACTION_PUSH, NULL)->val.push;
  *push = (tengen_gateway_types_push_t){.id = copy(id), .content = what};
  push->to.tag = TENGEN_GATEWAY_TYPES_TARGET_CONNECTION;
  push->to.val.connection = to;
}

// Takes a connection out of its room, if it is in one.
static void leave(decision *d, uint32_t handle, bool is_open) {
  member *found = find(handle);
  if (found == NULL) return;
  member gone = *found;
  memmove(found, found + 1, (size_t)(members + --count - found) * sizeof *members);
  if (is_open) {
    action *unsubscribe = act(d, TENGEN_GATEWAY_TYPES_ACTION_UNSUBSCRIBE, NULL);
    unsubscribe->val.unsubscribe = (tengen_gateway_types_membership_t){handle, channel(gone.room)};
  }
  publish(d, gone.room, "room/left", value("{\"name\":%}", gone.name, gone.name), handle);
  free(gone.room.at);
  free(gone.name.at);
}

// A text of an object's key; else the decision has failed.
static bool wanted(decision *d, json data, const char *key, uint32_t most, text *out) {
  size_t characters = 0;
  if (json_text(json_get(data, key), out))
    for (size_t i = 0; i < out->length; i++) characters += (out->at[i] & 0xc0) != 0x80;
  if (characters >= 1 && characters <= most) return true;
  text message = {0};
  put(&message, "`"), put(&message, key), put(&message, "` has to be a text of 1 to ");
  put_number(&message, most), put_bytes(&message, " characters", sizeof " characters");
  fail(d, "malformed", message.at);
  free(message.at);
  free(out->at);
  return false;
}

static void join(decision *d, uint32_t handle, json data) {
  text room = {0}, name = {0};
  if (!wanted(d, data, "room", 64, &room)) return;
  if (!wanted(d, data, "name", 64, &name)) return free(room.at);
  leave(d, handle, true);
  add(handle, room, name);
  uint32_t here = 0;
  for (size_t i = 0; i < count; i++) here += same(members[i].room, room);
  text answer = {0};
  put(&answer, "{\"members\":"), put_number(&answer, here), put(&answer, "}");
  give(d, written(answer));
  action *subscribe = act(d, TENGEN_GATEWAY_TYPES_ACTION_SUBSCRIBE, "join");
  subscribe->val.subscribe = (tengen_gateway_types_membership_t){handle, channel(room)};
  publish(d, room, "room/joined", value("{\"name\":%}", name, name), handle);
}

static void who(decision *d, const member *me) {
  text names = {0};
  for (size_t i = 0; i < count; i++) {
    if (!same(members[i].room, me->room)) continue;
    put(&names, names.length == 0 ? "" : ",");
    put_text(&names, members[i].name.at, members[i].name.length);
  }
  text json = {0};
  put(&json, "{\"room\":");
  put_text(&json, me->room.at, me->room.length);
  put(&json, ",\"members\":[");
  put_bytes(&json, names.at, names.length);
  put(&json, "]}");
  free(names.at);
  give(d, written(json));
}

static void kick(decision *d, const member *me, json data) {
  const member *first = members;
  while (!same(first->room, me->room)) first++;
  if (first != me) return fail(d, "not-allowed", "only who came first may do that");
  text name = {0};
  if (!wanted(d, data, "name", 64, &name)) return;
  const member *other = members;
  while (other < members + count && !(same(other->room, me->room) && same(other->name, name))) other++;
  free(name.at);
  if (other == members + count) {
    d->val.done.answer.tag = TENGEN_GATEWAY_TYPES_ANSWER_FAULT;
    d->val.done.answer.val.fault = why("not-found", "nobody here has that name");
    return;
  }
  give(d, value("true", me->name, me->name));
  push(d, other->handle, "room/kicked", value("{\"by\":%}", me->name, me->name));
  leave(d, other->handle, true);
}

static void message(decision *d, uint32_t index, uint32_t handle, tengen_gateway_types_message_t *message) {
  string body = message->payload.body.val.text, id = message->id;
  json data = json_read(body.ptr, body.len);
#define IS(name) (id.len == strlen(name) && memcmp(id.ptr, name, id.len) == 0)
  // What a client of another format sends may have no form in JSON, and then comes as it is.
  if (message->payload.encoding != TENGEN_GATEWAY_TYPES_ENCODING_JSON && !IS("room/show"))
    return fail(d, "unsupported", "what you sent has no form in JSON");
  if (IS("room/join")) return join(d, handle, data);
  const member *me = find(handle);
  if (me == NULL) return fail(d, "not-found", "you are in no room: join one first");
  if (IS("room/say")) {
    text said = {0};
    if (!wanted(d, data, "text", 65536, &said)) return;
    give(d, value("true", said, said));
    publish(d, me->room, "room/said", value("{\"from\":%,\"text\":%}", me->name, said), 0);
    free(said.at);
  } else if (IS("room/show")) {
    // What the sender has sent, whatever it is, without a look at it.
    give(d, of_event(index));
    publish(d, me->room, "room/shown", of_event(index), 0);
  } else if (IS("room/who")) {
    who(d, me);
  } else if (IS("room/kick")) {
    kick(d, me, data);
  } else if (IS("room/remind")) {
    uint32_t ms;
    if (!json_number(json_get(data, "ms"), 3600000, &ms))
      return fail(d, "malformed", "`ms` has to be a whole number of at most an hour");
    give(d, value("true", me->name, me->name));
    tengen_gateway_types_timer_t *timer = &act(d, TENGEN_GATEWAY_TYPES_ACTION_SET_TIMER, NULL)->val.set_timer;
    *timer = (tengen_gateway_types_timer_t){{true, handle}, copy("remind"), ms};
  } else {
    fail(d, "unknown-event", "this room knows no such event");
  }
}

static void note(tengen_gateway_types_refused_t *refused) {
  string id = {(uint8_t *)"room/refused", strlen("room/refused")}, key = {(uint8_t *)"key", 3};
  tengen_gateway_signals_tuple2_string_value_t fact = {key, {TENGEN_GATEWAY_SIGNAL_TYPES_VALUE_TEXT, {refused->key}}};
  tengen_gateway_signals_list_tuple2_string_value_t facts = {&fact, 1};
  tengen_gateway_signals_emit(TENGEN_GATEWAY_SIGNAL_TYPES_LEVEL_WARN, &id, &refused->why.message, &facts);
}

static void decide(decision *d, uint32_t index, event *event) {
  uint32_t handle = event->connection.val;
  const member *me = find(handle);
  switch (event->what.tag) {
  case TENGEN_GATEWAY_TYPES_OCCURRENCE_MESSAGE: return message(d, index, handle, &event->what.val.message);
  case TENGEN_GATEWAY_TYPES_OCCURRENCE_CLOSED: return leave(d, handle, false);
  case TENGEN_GATEWAY_TYPES_OCCURRENCE_REFUSED: return note(&event->what.val.refused);
  case TENGEN_GATEWAY_TYPES_OCCURRENCE_TIMER:
    if (me != NULL) push(d, handle, "room/reminded", value("{\"room\":%}", me->room, me->room));
  }
}

bool exports_tengen_gateway_handler_handle(exports_tengen_gateway_handler_list_event_t *events,
                                           exports_tengen_gateway_handler_list_decision_t *ret, string *err) {
  (void)err;
  // All zero is a decision: done, nothing to answer, no effects.
  ret->ptr = calloc(events->len, sizeof(decision));
  if (ret->ptr == NULL) abort();
  ret->len = events->len;
  for (size_t i = 0; i < events->len; i++) decide(&ret->ptr[i], (uint32_t)i, &events->ptr[i]);
  exports_tengen_gateway_handler_list_event_free(events);
  return true;
}

static stateful_handler_plugin_list_string_t one(const char *what) {
  string *list = at_least(NULL, sizeof(string));
  *list = copy(what);
  return (stateful_handler_plugin_list_string_t){list, 1};
}

void exports_tengen_gateway_plugin_describe(exports_tengen_gateway_plugin_description_t *ret) {
  *ret = (exports_tengen_gateway_plugin_description_t){
      .name = copy("room"), .version = copy("1.0.0"), .encoding = TENGEN_GATEWAY_TYPES_ENCODING_JSON, .max_batch = 64,
      .events = one("room/*"), .snapshot_writes = {true, copy("room/1")}, .snapshot_reads = one("room/1")};
}

bool exports_tengen_gateway_plugin_start(exports_tengen_gateway_plugin_start_reason_t *reason, string *err) {
  (void)reason, (void)err;
  return true;
}

void exports_tengen_gateway_plugin_stop(void) {}

// A room is written where its first member stands, with all of its members.
bool exports_tengen_gateway_snapshot_save(uint32_t number, exports_tengen_gateway_snapshot_piece_t *ret, string *err) {
  (void)number, (void)err;
  text json = {0};
  put(&json, "{\"rooms\":{");
  bool more = false;
  for (size_t i = 0; i < count; i++) {
    size_t first = 0;
    while (!same(members[first].room, members[i].room)) first++;
    if (first != i) continue;
    put(&json, more ? "," : ""), more = true;
    put_text(&json, members[i].room.at, members[i].room.length);
    for (size_t j = i; j < count; j++) {
      if (!same(members[j].room, members[i].room)) continue;
      put(&json, j == i ? ":[[" : ",[");
      put_number(&json, members[j].handle);
      put(&json, ","), put_text(&json, members[j].name.at, members[j].name.length), put(&json, "]");
    }
    put(&json, "]");
  }
  put(&json, "}}");
  *ret = (exports_tengen_gateway_snapshot_piece_t){copy("room/1"), {(uint8_t *)json.at, json.length}, true};
  return true;
}

bool exports_tengen_gateway_snapshot_load(exports_tengen_gateway_snapshot_piece_t *piece,
                                          exports_tengen_gateway_snapshot_place_t *place, string *err) {
  (void)place;
  json rooms = json_get(json_read(piece->bytes.ptr, piece->bytes.len), "rooms"), key, all = {0};
  bool good = rooms.at != NULL;
  while (good && json_each(rooms, &all, &key)) {
    json pair = {0};
    while (good && json_each(all, &pair, NULL)) {
      json item = {0};
      uint32_t handle = 0;
      text room = {0}, name = {0};
      good = json_each(pair, &item, NULL) && json_number(item, UINT32_MAX, &handle) && json_each(pair, &item, NULL) &&
             json_text(item, &name) && json_text(key, &room);
      if (good) add(handle, room, name);
    }
  }
  exports_tengen_gateway_snapshot_piece_free(piece);
  if (!good) *err = copy("the rooms cannot be read");
  return good;
}
