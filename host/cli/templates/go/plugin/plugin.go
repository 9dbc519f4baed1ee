// Package plugin is {{name}}: who says something is told its number, and everybody else hears it.
package plugin

import "wit_component/tengen"

// The channel that everybody is in; the grant is `publish` in tengen.toml.
const room = "{{name}}/room"

var count = 0

// Plugin is what the gateway runs.
var Plugin = tengen.Plugin{Name: "{{name}}", Version: "0.1.0", Opened: opened, Message: message}

type say struct {
	Text string `json:"text"`
}

type said struct {
	Number int    `json:"number"`
	Text   string `json:"text,omitempty"`
}

func opened(ctx *tengen.Context, connection uint32) { ctx.Subscribe(connection, room) }

func message(ctx *tengen.Context, from uint32, id string, data tengen.Data) error {
	if id != "{{name}}/say" {
		return tengen.Fail("unknown-event", "say something by `{{name}}/say`")
	}
	var sent say
	if err := data.Read(&sent); err != nil || sent.Text == "" {
		return tengen.Fail("malformed", "say a word at least")
	}
	count++
	ctx.Reply(said{Number: count})
	ctx.Publish(room, "{{name}}/said", said{Number: count, Text: sent.Text}, from)
	return nil
}
