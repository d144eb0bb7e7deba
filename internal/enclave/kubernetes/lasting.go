package kubernetes

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// nameLasting turns directories that are to last as long as the service into persistent ones that only this generation of it
// knows. What is in any other directory goes with the pod.
func (w *workload) nameLasting() {
	files := maps.Clone(w.request.Spec.Files)
	for mountPath, mount := range files {
		switch {
		case !mount.Lasting:
			continue
		case mount.PersistentKey != "":
			mount.Lasting = false // It lasts even longer.
		default:
			mount.PersistentKey = w.request.Spec.Name + " " + w.generation + " " + mountPath
			mount.Seed, mount.Artifacts = mount.Artifacts, nil
		}
		files[mountPath] = mount
	}
	w.request.Spec.Files = files
}

// goesWith makes a volume go with the Secret that starts the service: Kubernetes itself removes it once that is gone, which is
// when the service is replaced or removed. So nobody needs the right to remove volumes.
func goesWith(manifest *corev1.Secret) []metav1.OwnerReference {
	if manifest == nil {
		return nil
	}
	return []metav1.OwnerReference{{APIVersion: secrets.version, Kind: secrets.kind, Name: manifest.Name, UID: manifest.UID}}
}
