// Package memory keeps Go's collector out of where it traps.
//
// Go decides by itself when to collect, also while it makes room for what the gateway hands over. A component may call
// nobody just then, and the collector asks the system for the time: a trap, `cannot leave component instance`, after some
// hundred events. The bindings' runtime answers for the one clock (since 0.2.3, with an adapter that knows of it), and not
// for the other. So here the collector never starts by itself, and Collect is called where calls are allowed.
package memory

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// After so many bytes it is time to collect.
const enough = 1 << 20

var (
	allocated = []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	before    uint64
)

func init() { debug.SetGCPercent(-1) }

// Collect frees what nothing refers to any more, if a mebibyte was allocated since it last did. Call it once per event.
func Collect() {
	metrics.Read(allocated)
	if allocated[0].Value.Uint64()-before < enough {
		return
	}
	runtime.GC()
	metrics.Read(allocated)
	before = allocated[0].Value.Uint64()
}
