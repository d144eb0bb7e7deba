package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

var _ enclave.Sweeping = (*Backend)(nil)

// Sweep implements enclave.Sweeping: whoever replaces a service and is cut off leaves what the one before was started from, and
// whoever stores an artifact and is cut off leaves parts of it. What is being made beside this has nothing younger beside it, so
// it stays.
func (b *Backend) Sweep(ctx context.Context, name string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := conn.sweep(ctx, name); err != nil {
		return fmt.Errorf("remove what is left of operations that were cut off in enclave %q: %w", name, err)
	}
	return nil
}

func (c *connection) sweep(ctx context.Context, name string) error {
	namespace := namespaceName(name)
	var allSecrets, allServices []metav1.PartialObjectMetadata
	group, groupContext := errgroup.WithContext(ctx)
	for kind, into := range map[objectKind]*[]metav1.PartialObjectMetadata{secrets: &allSecrets, services: &allServices} {
		group.Go(func() (err error) {
			*into, err = listAs[metav1.PartialObjectMetadata](groupContext, c, kind, namespace, map[string]string{"labelSelector": ofSundog()}, metadataOnly)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, which := range superseded(allSecrets, allServices) {
		for _, kind := range []objectKind{services, secrets} {
			if err := c.removeAll(ctx, kind, namespace, which, deletion{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// superseded gives selectors of what belongs to an older generation of a service or an artifact that is there.
func superseded(allSecrets, allServices []metav1.PartialObjectMetadata) []string {
	current := map[string]string{} // generations of services and artifacts
	for i := range allServices {
		if role := allServices[i].Labels[enclave.LabelRole]; role == roleService || role == roleTask {
			current[ofService(allServices[i].Name)] = allServices[i].Labels[labelGeneration]
		}
	}
	made := map[string]string{} // versions in which the current ones were made
	for i := range allSecrets {
		labels := allSecrets[i].Labels
		switch labels[enclave.LabelRole] {
		case roleArtifact:
			of := labelOf + "=" + allSecrets[i].Name
			current[of], made[of] = labels[labelGeneration], allSecrets[i].ResourceVersion
		case roleManifest:
			if of := ofService(labels[enclave.LabelService]); labels[labelGeneration] == current[of] {
				made[of] = allSecrets[i].ResourceVersion
			}
		}
	}
	found := map[string]bool{}
	for i := range allSecrets {
		labels := allSecrets[i].Labels
		of, generation := ofService(labels[enclave.LabelService]), labels[labelGeneration]
		if labels[enclave.LabelRole] == rolePart {
			of = labelOf + "=" + labels[labelOf]
		}
		if made[of] != "" && generation != "" && generation != current[of] && isOlder(allSecrets[i].ResourceVersion, made[of]) {
			found[selector(of, ofGeneration(generation))] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// isOlder compares versions, which are numbers that grow.
func isOlder(version, than string) bool {
	return cmp.Or(cmp.Compare(len(version), len(than)), cmp.Compare(version, than)) < 0
}
