package docker

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A network that cannot be removed says what to do: who is connected to it, or that the engine has miscounted.
func TestRemoveNetworksExplains(t *testing.T) {
	t.Parallel()
	for connected, remedy := range map[string]string{
		`{"1": {"Name": "web"}, "2": {"Name": "db"}}`: "(db, web); disconnect them",
		`{}`: "restart the engine",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Api-Version", "1.41")
			switch {
			case r.Method == http.MethodDelete:
				http.Error(w, `{"message": "network x has active endpoints"}`, http.StatusForbidden)
			case strings.HasSuffix(r.URL.Path, "/networks"):
				_, _ = w.Write([]byte(`[{"Name": "sundog-dev", "Id": "x"}]`))
			case strings.HasSuffix(r.URL.Path, "/networks/x"):
				_, _ = w.Write([]byte(`{"Name": "sundog-dev", "Id": "x", "Containers": ` + connected + `}`))
			}
		}))
		t.Cleanup(server.Close)
		backend := New(Options{Host: "tcp://" + server.Listener.Addr().String()})
		err := connectionOf(t, backend).removeNetworks(t.Context(), "dev")
		mentions(t, err, "remove network sundog-dev", "active endpoints", remedy)
		must(t, backend.Close())
	}
}
