// Package export_tengen_gateway_snapshot is where the bindings look for what the plugin exports.
package export_tengen_gateway_snapshot

import "wit_component/broken"

var (
	Save = broken.Save
	Load = broken.Load
)
