//go:build !linux

package docker

// machineRoutes knows no routes here: engines on other systems run in a virtual machine, whose routes are its own.
func machineRoutes() ([]route, error) { return nil, nil }
