package packagerun

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// On Kubernetes most ports are not published. Of a service that stays as it is that is no change, or no plan would ever be
// empty; of one that is replaced nobody knows yet.
func TestPortsThatAreNotPublishedAreForeseen(t *testing.T) {
	t.Parallel()
	spec := plan.Port{Number: 8080, Transport: "TCP", Application: "http", URL: "http://{host}:{port}/"}
	unpublished := port{Number: types.Int64Value(8080), Transport: types.StringValue("TCP"), Application: types.StringValue("http")}
	published := unpublished
	published.Host, published.HostPort, published.URL = types.StringValue("127.0.0.1"), types.Int64Value(30000), types.StringValue("http://127.0.0.1:30000/")
	for _, test := range []struct {
		name        string
		old         port
		alive, kept bool
		want        port
	}{
		{"kept, not published", unpublished, true, true, unpublished},
		{"kept, published", published, true, true, published},
		{"replaced, published", published, true, false, published},
		{"replaced, not published", unpublished, true, false, unknownPort(unpublished)},
		{"missing", published, false, true, unknownPort(published)},
		{"new", port{}, false, false, unknownPort(published)},
	} {
		if got := foreseePort(spec, test.old, test.alive, test.kept); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func unknownPort(p port) port {
	p.Host, p.HostPort, p.URL = types.StringUnknown(), types.Int64Unknown(), types.StringUnknown()
	return p
}
