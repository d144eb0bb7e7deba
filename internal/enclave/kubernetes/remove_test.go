package kubernetes

import (
	"encoding/json"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A namespace that is still there is not taken for one that somebody has made anew.
func TestRemovalsAreAwaited(t *testing.T) {
	t.Parallel()
	for uid, want := range map[types.UID]bool{"first": false, "second": true} {
		conn := stubCluster(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "sundog-dev", UID: uid}})
		})
		err := conn.awaitRemoval(t.Context(), "dev", "first")
		if want {
			must(t, err)
			continue
		}
		mentions(t, err, "sundog-dev", "not begun to remove it")
	}
}
