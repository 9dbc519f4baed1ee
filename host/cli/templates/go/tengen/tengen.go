// Package tengen is the gateway's interface as a plugin in Go sees it: wit/ has all of it, and more of it is brought in as this is.
package tengen

import (
	"encoding/json"
	"errors"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	. "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/tengen_gateway_plugin"
	. "wit_component/tengen_gateway_types"
)

// Plugin says who the plugin is, and what is called when something happens; what is left out is not called. What returns an error
// has failed: nothing else that it decided is done, and whoever sent the event is told why.
type Plugin struct {
	Name, Version string
	Opened        func(ctx *Context, connection uint32)
	Message       func(ctx *Context, from uint32, id string, data Data) error
	Closed        func(ctx *Context, connection uint32)
}

// Data is what a client has sent: it need not be what is expected.
type Data string

// Read takes it over as encoding/json does.
func (d Data) Read(into any) error { return json.Unmarshal([]byte(d), into) }

type failure struct{ id, message string }

func (f failure) Error() string { return f.id + ": " + f.message }

// Fail is an error with an id of the plugin's own, or of the registry, and a sentence for people.
func Fail(id, message string) error { return failure{id, message} }

// Context takes what the plugin decides about one event.
type Context struct {
	answer  Answer
	effects []Effect
}

func content(value any) Content {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // A trap: what is not JSON cannot be sent.
	}
	return MakeContentPayload(Payload{Encoding: EncodingJson, Body: MakeBodyText(string(text))})
}

func (c *Context) act(what Action) {
	c.effects = append(c.effects, Effect{What: what, Key: None[string]()})
}

// Reply answers whoever sent the event.
func (c *Context) Reply(value any) { c.answer = MakeAnswerGiven(content(value)) }

// Subscribe has a connection get what is published on a channel.
func (c *Context) Subscribe(connection uint32, channel string) {
	c.act(MakeActionSubscribe(Membership{Connection: connection, Channel: channel}))
}

// Publish sends an event to a channel's subscribers, but for one connection (0: to all).
func (c *Context) Publish(channel, id string, value any, except uint32) {
	exclude := None[uint32]()
	if except != 0 {
		exclude = Some(except)
	}
	c.act(MakeActionPublish(Publish{Channel: channel, Id: id, Content: content(value), Exclude: exclude}))
}

// Push sends an event to one connection.
func (c *Context) Push(to uint32, id string, value any) {
	push := Push{To: MakeTargetConnection(to), Exclude: None[uint32](), Id: id, Content: content(value)}
	c.act(MakeActionPush(push))
}

func (p Plugin) decide(event Event) Decision {
	ctx, who := &Context{answer: MakeAnswerNothing()}, event.Connection.SomeOr(0)
	var err error
	switch tag := event.What.Tag(); {
	case tag == OccurrenceOpened && p.Opened != nil:
		p.Opened(ctx, who)
	case tag == OccurrenceClosed && p.Closed != nil:
		p.Closed(ctx, who)
	case tag == OccurrenceMessage && p.Message != nil:
		message, data := event.What.Message(), Data("")
		// What has no form in JSON comes as it is, and cannot be read.
		if message.Payload.Encoding == EncodingJson {
			data = Data(message.Payload.Body.Text())
		}
		err = p.Message(ctx, who, message.Id, data)
	}
	if err != nil {
		why := failure{"malformed", err.Error()}
		errors.As(err, &why)
		fault := Fault{Id: why.id, Message: why.message, RetryAfterMs: None[uint32]()}
		return MakeDecisionFailed(Failed{Why: fault, Close: None[uint16]()})
	}
	return MakeDecisionDone(Done{Answer: ctx.answer, Effects: ctx.effects})
}

// Handle decides about a batch of events.
func (p Plugin) Handle(events []Event) Result[[]Decision, string] {
	decisions := []Decision{}
	for _, event := range events {
		decisions = append(decisions, p.decide(event))
		collect()
	}
	return Ok[[]Decision, string](decisions)
}

// Describe says who the plugin is.
func (p Plugin) Describe() tengen_gateway_plugin.Description {
	return tengen_gateway_plugin.Description{
		Name: p.Name, Version: p.Version, Encoding: EncodingJson, MaxBatch: 64, SnapshotWrites: None[string](),
	}
}

// Start has nothing to do.
func (p Plugin) Start(tengen_gateway_plugin.StartReason) Result[Unit, string] {
	return Ok[Unit, string](Unit{})
}

// Stop has nothing to do.
func (p Plugin) Stop() {}

// Go collects at any allocation, also while it makes room for what the gateway hands over. A component may call nobody just then,
// and the collector asks for the time: a trap. So it never starts by itself, and is called between two events.
func init() { debug.SetGCPercent(-1) }

var (
	allocated = append([]metrics.Sample{}, metrics.Sample{Name: "/gc/heap/allocs:bytes"})
	before    uint64
)

// Frees what nothing refers to any more, once a mebibyte has been allocated since that was done.
func collect() {
	if metrics.Read(allocated); allocated[0].Value.Uint64()-before >= 1<<20 {
		runtime.GC()
		metrics.Read(allocated)
		before = allocated[0].Value.Uint64()
	}
}
