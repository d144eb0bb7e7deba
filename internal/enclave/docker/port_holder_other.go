//go:build !linux

package docker

// portProcess knows no processes here.
func portProcess(string, int) string { return "" }
