// Package broken breaks when it is told to.
package broken

import (
	. "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/tengen_gateway_plugin"
	"wit_component/tengen_gateway_snapshot"
	. "wit_component/tengen_gateway_types"
)

var nothing int

func divide(all int) int {
	return all / nothing // It panics here.
}

//go:noinline
func spin() {
	for {
		nothing = nothing * 3 // It stays here.
	}
}

// Handle does what each event asks for.
func Handle(events []Event) Result[[]Decision, string] {
	decisions := []Decision{}
	for _, event := range events {
		if event.What.Tag() == OccurrenceMessage {
			switch event.What.Message().Id {
			case "broken/divide":
				nothing = divide(7)
			case "broken/spin":
				spin()
			}
		}
		decisions = append(decisions, MakeDecisionDone(Done{Answer: MakeAnswerNothing()}))
	}
	return Ok[[]Decision, string](decisions)
}

// Describe says who the plugin is.
func Describe() tengen_gateway_plugin.Description {
	return tengen_gateway_plugin.Description{Name: "broken", Version: "1.0.0", Encoding: EncodingJson, MaxBatch: 1}
}

// Start has nothing to do.
func Start(tengen_gateway_plugin.StartReason) Result[Unit, string] { return Ok[Unit, string](Unit{}) }

// Stop has nothing to do.
func Stop() {}

// Save has nothing to say.
func Save(uint32) Result[tengen_gateway_snapshot.Piece, string] {
	return Err[tengen_gateway_snapshot.Piece]("it has no state")
}

// Load has nothing to take.
func Load(tengen_gateway_snapshot.Piece, tengen_gateway_snapshot.Place) Result[Unit, string] {
	return Ok[Unit, string](Unit{})
}
