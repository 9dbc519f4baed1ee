// Package export_tengen_gateway_plugin is where the bindings look for what the plugin exports.
package export_tengen_gateway_plugin

import "wit_component/plugin"

var (
	Describe = plugin.Plugin.Describe
	Start    = plugin.Plugin.Start
	Stop     = plugin.Plugin.Stop
)
