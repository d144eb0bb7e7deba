package kubernetes

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// leftoverKinds are those that are looked through where a namespace does not go. Pods are looked at more closely; of other
// kinds the namespace itself tells how many objects there are.
var leftoverKinds = []objectKind{services, jobs, claims, configMaps, secrets, leases, networkPolicies, quotas, limitRanges}

// leftovers names the objects that keep a namespace: those with finalizers. A kind that may not be listed is passed over.
func (c *connection) leftovers(ctx context.Context, namespace string) []string {
	var reasons []string
	for _, kind := range leftoverKinds {
		found, err := listAs[metav1.PartialObjectMetadata](ctx, c, kind, namespace, nil, metadataOnly)
		if err != nil {
			continue
		}
		for i := range found {
			if len(found[i].Finalizers) > 0 {
				reasons = append(reasons, fmt.Sprintf("%s %s is left%s", strings.ToLower(kind.kind), found[i].Name, finalizers(found[i].Finalizers)))
			}
		}
	}
	if len(reasons) > 0 {
		reasons = append(reasons, "A finalizer is taken away by the controller that has put it there, once it has cleaned up: see that it runs, and remove the enclave again, which goes on from here")
	}
	return reasons
}
