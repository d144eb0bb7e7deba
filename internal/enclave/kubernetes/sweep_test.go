package kubernetes

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// What was left before the service that is there goes; what may be on its way to replace it stays.
func TestKubernetesSweepsWhatWasLeft(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	conn, err := backend.connect()
	must(t, err)
	name := makeEnclave(t, backend)
	leave := func(object string, labels map[string]string) {
		t.Helper()
		_, err := create(t.Context(), conn, secrets, namespaceName(name), &corev1.Secret{TypeMeta: secrets.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: object, Labels: labels}})
		must(t, err)
	}
	manifest := func(generation string) map[string]string {
		return objectLabels(name, roleManifest, map[string]string{enclave.LabelService: "api", labelGeneration: generation})
	}
	leave("api.older", manifest("older"))
	request := serviceRequest(t, backend, testImages(t).Service, nil)
	_, err = backend.CreateService(t.Context(), name, request)
	must(t, err)
	leave("api.newer", manifest("newer"))
	must(t, backend.Sweep(t.Context(), name))
	for object, stays := range map[string]bool{"api.older": false, "api.newer": true} {
		_, err := get[corev1.Secret](t.Context(), conn, secrets, namespaceName(name), object)
		if there := err == nil; there != stays || err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("%s is there: %t, want %t (%v)", object, there, stays, err)
		}
	}
	_, err = backend.StartService(t.Context(), name, "api")
	must(t, err)
}

func TestPartsOfAnArtifactThatWasStoredAnewAreSuperseded(t *testing.T) {
	t.Parallel()
	item := func(name, version string, labels map[string]string) metav1.PartialObjectMetadata {
		return metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version, Labels: labels}}
	}
	part := func(of, generation string) map[string]string {
		return objectLabels("e", rolePart, map[string]string{labelOf: of, labelGeneration: generation})
	}
	found := superseded([]metav1.PartialObjectMetadata{
		item("left", "99", part("artifact-1", "g1")), item("kept", "100", part("artifact-1", "g2")),
		item("artifact-1", "101", objectLabels("e", roleArtifact, map[string]string{labelGeneration: "g2"})),
		item("late", "102", part("artifact-1", "g3")), item("under way", "98", part("artifact-2", "g4")),
	}, nil)
	if want := selector(labelOf+"=artifact-1", ofGeneration("g1")); len(found) != 1 || found[0] != want {
		t.Errorf("got %q, want only %q", found, want)
	}
}
