package docker

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
)

// mainTable reads the system's text about its main table.
func mainTable(t *testing.T) []route {
	t.Helper()
	text, err := os.ReadFile("/proc/net/route")
	if err != nil {
		t.Fatal(err)
	}
	number := func(text string) uint32 {
		value, err := strconv.ParseUint(text, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		return bits.ReverseBytes32(uint32(value))
	}
	var routes []route
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		fields := strings.Fields(line)
		mask := bits.OnesCount32(number(fields[7]))
		if mask == 0 || strings.HasPrefix(fields[0], "br-") {
			continue // The default route has no destination; networks of the engine come and go.
		}
		var address [4]byte
		binary.BigEndian.PutUint32(address[:], number(fields[1]))
		routes = append(routes, route{netip.PrefixFrom(netip.AddrFrom4(address), mask), fields[0]})
	}
	return routes
}
