// Package export_tengen_gateway_plugin is where the bindings look for what the plugin exports.
package export_tengen_gateway_plugin

import "wit_component/broken"

var (
	Describe = broken.Describe
	Start    = broken.Start
	Stop     = broken.Stop
)
