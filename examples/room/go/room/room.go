// Package room is a moderated room in Go: who came first may send others out. What is in the rooms is kept over reloads.
package room

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	. "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/memory"
	"wit_component/tengen_gateway_plugin"
	"wit_component/tengen_gateway_signal_types"
	"wit_component/tengen_gateway_signals"
	"wit_component/tengen_gateway_snapshot"
	. "wit_component/tengen_gateway_types"
)

const format = "room/1"

// A member is a connection in a room, and its name there.
type member struct {
	handle uint32
	name   string
}

// Of each room its members, in the order in which they came.
var rooms = map[string][]member{}

func fault(id, message string) Fault {
	return Fault{Id: id, Message: message, RetryAfterMs: None[uint32]()}
}

func failed(id, message string) Decision {
	return MakeDecisionFailed(Failed{Why: fault(id, message), Close: None[uint16]()})
}

func done(answer Answer, effects ...Effect) Decision {
	return MakeDecisionDone(Done{Answer: answer, Effects: effects})
}

func given(value any, effects ...Effect) Decision {
	return done(MakeAnswerGiven(content(value)), effects...)
}

func content(value any) Content {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // No value in this file has no JSON.
	}
	return MakeContentPayload(Payload{Encoding: EncodingJson, Body: MakeBodyText(string(text))})
}

func effect(what Action) Effect {
	return Effect{What: what, Key: None[string]()}
}

func publish(room, id string, what Content, exclude Option[uint32]) Effect {
	return effect(MakeActionPublish(Publish{Channel: "room/" + room, Id: id, Content: what, Exclude: exclude}))
}

func push(to uint32, id string, value any) Effect {
	return effect(MakeActionPush(Push{To: MakeTargetConnection(to), Exclude: None[uint32](), Id: id, Content: content(value)}))
}

// find says in which room a connection is, and its name there.
func find(connection uint32) (room, name string, found bool) {
	for room, members := range rooms {
		for _, member := range members {
			if member.handle == connection {
				return room, member.name, true
			}
		}
	}
	return "", "", false
}

// leave takes a connection out of its room, if it is in one.
func leave(connection uint32, isOpen bool) (effects []Effect) {
	room, name, found := find(connection)
	if !found {
		return nil
	}
	rooms[room] = slices.DeleteFunc(rooms[room], func(m member) bool { return m.handle == connection })
	if len(rooms[room]) == 0 {
		delete(rooms, room)
	}
	if isOpen {
		effects = append(effects, effect(MakeActionUnsubscribe(Membership{Connection: connection, Channel: "room/" + room})))
	}
	return append(effects, publish(room, "room/left", content(map[string]string{"name": name}), Some(connection)))
}

// data is what a client has sent: nothing if it was no object.
type data map[string]any

func (sent data) text(key string, most int) (value string, refusal *Decision) {
	value, _ = sent[key].(string)
	if length := utf8.RuneCountInString(value); length < 1 || length > most {
		decision := failed("malformed", fmt.Sprintf("`%s` has to be a text of 1 to %d characters", key, most))
		return "", &decision
	}
	return value, nil
}

func join(connection uint32, sent data) Decision {
	room, refusal := sent.text("room", 64)
	if refusal != nil {
		return *refusal
	}
	name, refusal := sent.text("name", 64)
	if refusal != nil {
		return *refusal
	}
	effects := leave(connection, true)
	rooms[room] = append(rooms[room], member{connection, name})
	subscribe := effect(MakeActionSubscribe(Membership{Connection: connection, Channel: "room/" + room}))
	subscribe.Key = Some("join")
	joined := publish(room, "room/joined", content(map[string]string{"name": name}), Some(connection))
	return given(map[string]int{"members": len(rooms[room])}, append(effects, subscribe, joined)...)
}

func kick(connection uint32, room, name string, sent data) Decision {
	if rooms[room][0].handle != connection {
		return failed("not-allowed", "only who came first may do that")
	}
	wanted, refusal := sent.text("name", 64)
	if refusal != nil {
		return *refusal
	}
	for _, member := range rooms[room] {
		if member.name == wanted {
			kicked := push(member.handle, "room/kicked", map[string]string{"by": name})
			return given(true, append([]Effect{kicked}, leave(member.handle, true)...)...)
		}
	}
	return done(MakeAnswerFault(fault("not-found", "nobody here has that name")))
}

func message(index, connection uint32, what Message) Decision {
	var sent data
	if what.Id != "room/show" {
		// What a client of another format sends may have no form in JSON, and then comes as it is.
		if what.Payload.Encoding != EncodingJson {
			return failed("unsupported", "what you sent has no form in JSON")
		}
		_ = json.Unmarshal([]byte(what.Payload.Body.Text()), &sent)
	}
	if what.Id == "room/join" {
		return join(connection, sent)
	}
	room, name, found := find(connection)
	if !found {
		return failed("not-found", "you are in no room: join one first")
	}
	switch what.Id {
	case "room/say":
		said, refusal := sent.text("text", 65536)
		if refusal != nil {
			return *refusal
		}
		return given(true, publish(room, "room/said", content(map[string]string{"from": name, "text": said}), None[uint32]()))
	case "room/show":
		// What the sender has sent, whatever it is, without a look at it.
		shown := MakeContentOfEvent(index)
		return done(MakeAnswerGiven(shown), publish(room, "room/shown", shown, None[uint32]()))
	case "room/who":
		names := []string{}
		for _, member := range rooms[room] {
			names = append(names, member.name)
		}
		return given(map[string]any{"room": room, "members": names})
	case "room/kick":
		return kick(connection, room, name, sent)
	case "room/remind":
		ms, isNumber := sent["ms"].(float64)
		if !isNumber || ms != math.Trunc(ms) || ms < 0 || ms > 3_600_000 {
			return failed("malformed", "`ms` has to be a whole number of at most an hour")
		}
		timer := Timer{Connection: Some(connection), Key: "remind", AfterMs: uint32(ms)}
		return given(true, effect(MakeActionSetTimer(timer)))
	}
	return failed("unknown-event", "this room knows no such event")
}

func decide(index uint32, event Event) Decision {
	connection := event.Connection.SomeOr(0)
	switch event.What.Tag() {
	case OccurrenceMessage:
		return message(index, connection, event.What.Message())
	case OccurrenceClosed:
		return done(MakeAnswerNothing(), leave(connection, false)...)
	case OccurrenceTimer:
		if room, _, found := find(connection); found {
			return done(MakeAnswerNothing(), push(connection, "room/reminded", map[string]string{"room": room}))
		}
	case OccurrenceRefused:
		refused := event.What.Refused()
		key := tengen_gateway_signal_types.MakeValueText(refused.Key)
		facts := []Tuple2[string, tengen_gateway_signal_types.Value]{{F0: "key", F1: key}}
		tengen_gateway_signals.Emit(tengen_gateway_signal_types.LevelWarn, "room/refused", refused.Why.Message, facts)
	}
	return done(MakeAnswerNothing())
}

// Handle decides about a batch of events.
func Handle(events []Event) Result[[]Decision, string] {
	decisions := []Decision{}
	for index, event := range events {
		decisions = append(decisions, decide(uint32(index), event))
		memory.Collect()
	}
	return Ok[[]Decision, string](decisions)
}

// Describe says who the plugin is.
func Describe() tengen_gateway_plugin.Description {
	return tengen_gateway_plugin.Description{
		Name: "room", Version: "1.0.0", Encoding: EncodingJson, MaxBatch: 64, Events: []string{"room/*"},
		SnapshotWrites: Some(format), SnapshotReads: []string{format},
	}
}

// Start has nothing to do.
func Start(tengen_gateway_plugin.StartReason) Result[Unit, string] { return Ok[Unit, string](Unit{}) }

// Stop has nothing to do.
func Stop() {}

// MarshalJSON writes a member as a pair.
func (m member) MarshalJSON() ([]byte, error) { return json.Marshal([]any{m.handle, m.name}) }

// UnmarshalJSON reads a pair.
func (m *member) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&m.handle, &m.name})
}

type state struct {
	Rooms map[string][]member `json:"rooms"`
}

// Save writes the rooms down.
func Save(uint32) Result[tengen_gateway_snapshot.Piece, string] {
	text, err := json.Marshal(state{rooms})
	if err != nil {
		return Err[tengen_gateway_snapshot.Piece](err.Error())
	}
	return Ok[tengen_gateway_snapshot.Piece, string](tengen_gateway_snapshot.Piece{Format: format, Bytes: text, IsLast: true})
}

// Load takes the rooms over.
func Load(piece tengen_gateway_snapshot.Piece, _ tengen_gateway_snapshot.Place) Result[Unit, string] {
	saved := state{rooms}
	if err := json.Unmarshal(piece.Bytes, &saved); err != nil {
		return Err[Unit]("the rooms cannot be read: " + err.Error())
	}
	return Ok[Unit, string](Unit{})
}
