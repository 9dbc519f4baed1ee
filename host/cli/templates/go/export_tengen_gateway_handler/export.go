// Package export_tengen_gateway_handler is where the bindings look for what the plugin exports.
package export_tengen_gateway_handler

import "wit_component/plugin"

var Handle = plugin.Plugin.Handle
