package kubernetes

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// storeBackend is a backend that keeps every artifact as if it were a large one.
func storeBackend(t *testing.T) *Backend {
	t.Helper()
	backend := kubernetesBackend(t)
	backend.partsKept = 0
	return backend
}

// What is kept in the store behaves like what is kept in the cluster's database.
func TestKubernetesStoreConforms(t *testing.T) {
	t.Parallel()
	backend := storeBackend(t)
	enclavetest.RunArtifacts(t, backend, testImages(t), slices.Sorted(maps.Keys(different))...)
}

// putFile stores an artifact of one file, in the store's pod that runs in the test image.
func putFile(t *testing.T, backend *Backend, image, name, content string) (digest string) {
	t.Helper()
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("a.txt", 0o644, content)})
	must(t, err)
	ctx := enclave.WithImages(t.Context(), []enclave.Image{{Name: image, Policy: enclave.ImageMissing}})
	must(t, backend.PutArtifact(ctx, name, tree.Digest(), tree.WriteTar))
	return tree.Digest()
}

func mounting(t *testing.T, backend *Backend, image, service, digest string) enclave.ServiceRequest {
	t.Helper()
	return serviceRequest(t, backend, image, func(request *enclave.ServiceRequest) {
		request.Spec.Name = service
		request.Spec.Files = map[string]plan.Mount{"/data": {Artifacts: []string{"data"}}}
		request.Artifacts = map[string]string{"data": digest}
	})
}

// A drained service comes back with its files and nobody of ours is asked, also where what keeps them is drained with it.
func TestKubernetesStoreSurvivesEviction(t *testing.T) {
	t.Parallel()
	backend := storeBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	digest := putFile(t, backend, images.Service, name, "alpha")
	must(t, createAndStart(t.Context(), backend, name, mounting(t, backend, images.Service, "api", digest)))
	exec1(t, backend, name, "api", "write", "/data/a.txt", "changed")
	conn, err := backend.connect()
	must(t, err)
	store, err := list[corev1.Pod](t.Context(), conn, pods, namespaceName(name), ofService(storeService))
	must(t, err)
	if len(store) != 1 {
		t.Fatalf("the store has %d pods", len(store))
	}
	before := podOf(t, backend, name, "api")
	evict(t, backend, &store[0])
	evict(t, backend, before)
	awaitOther(t, backend, name, "api", before)
	if got := exec1(t, backend, name, "api", "cat", "/data/a.txt"); got != "alpha" {
		t.Errorf("the file holds %q", got)
	}
	stream, err := backend.Artifact(t.Context(), name, digest)
	must(t, err)
	_, err = io.Copy(io.Discard, stream)
	must(t, err)
	must(t, stream.Close())
}

// Whatever somebody has removed of the store is made again when it is next needed; what was on a volume that is gone counts as
// not stored.
func TestKubernetesStoreHeals(t *testing.T) {
	t.Parallel()
	backend := storeBackend(t)
	images := testImages(t)
	conn, err := backend.connect()
	must(t, err)
	for _, lost := range []struct {
		name   string
		remove func(namespace string) error
		gone   bool
	}{
		{name: "its Job", remove: func(namespace string) error {
			return conn.removeAll(t.Context(), jobs, namespace, ofService(storeService), deletion{})
		}},
		{name: "its Service", remove: func(namespace string) error {
			return conn.remove(t.Context(), services, namespace, storeObject, deletion{})
		}},
		{name: "its Secret", remove: func(namespace string) error {
			return conn.remove(t.Context(), secrets, namespace, storeObject, deletion{})
		}},
		{name: "its volume", gone: true, remove: func(namespace string) error {
			return conn.remove(t.Context(), claims, namespace, claimName(storeKey), deletion{})
		}},
	} {
		t.Run(lost.name, func(t *testing.T) {
			t.Parallel()
			name := makeEnclave(t, backend)
			digest := putFile(t, backend, images.Service, name, "alpha")
			must(t, lost.remove(namespaceName(name)))
			listed, err := backend.ListArtifacts(t.Context(), name)
			must(t, err)
			if lost.gone {
				if len(listed) > 0 {
					t.Errorf("listed %v", listed)
				}
				_, err := backend.CreateService(t.Context(), name, mounting(t, backend, images.Service, "api", digest))
				mentions(t, err, "/data", enclave.ErrNotFound.Error())
				putFile(t, backend, images.Service, name, "alpha")
			} else if len(listed) != 1 {
				t.Errorf("listed %v", listed)
			}
			must(t, createAndStart(t.Context(), backend, name, mounting(t, backend, images.Service, "api", digest)))
			if got := exec1(t, backend, name, "api", "cat", "/data/a.txt"); got != "alpha" {
				t.Errorf("the file holds %q", got)
			}
			left, err := list[batchv1.Job](t.Context(), conn, jobs, namespaceName(name), ofService(storeService))
			must(t, err)
			if len(left) != 1 {
				t.Errorf("the store has %d jobs", len(left))
			}
		})
	}
}

// What nobody names any more leaves the volume.
func TestKubernetesStoreForgets(t *testing.T) {
	t.Parallel()
	backend := storeBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	kept := putFile(t, backend, images.Service, name, "kept")
	gone := putFile(t, backend, images.Service, name, "gone")
	must(t, backend.RemoveArtifacts(t.Context(), name, []string{gone}))
	ctx := enclave.WithImages(t.Context(), []enclave.Image{{Name: images.Service}})
	failure := errors.New("the disk is gone")
	err := backend.PutArtifact(ctx, name, "cut", func(w io.Writer) error {
		_, _ = w.Write(make([]byte, 1<<20))
		return failure
	})
	mentions(t, err, failure.Error())
	conn, err := backend.connect()
	must(t, err)
	store, err := list[corev1.Pod](t.Context(), conn, pods, namespaceName(name), ofService(storeService))
	must(t, err)
	archive, err := conn.stream(t.Context(), func(ctx context.Context, output io.Writer) error {
		_, err := conn.run(ctx, &store[0], []string{agentProgram, "copy", storeFolder}, remotecommand.StreamOptions{Stdout: output})
		return err
	})
	must(t, err)
	var files []string
	for reader := tar.NewReader(archive); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		files = append(files, header.Name)
	}
	must(t, archive.Close())
	if len(files) != 1 || !strings.HasPrefix(files[0], artifactName(kept)+".") {
		t.Errorf("on the volume are %v", files)
	}
}

// An artifact that is large needs an image for the store's pod; where nobody knows one, the error says what to do.
func TestKubernetesStoreNeedsAnImage(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	name := makeEnclave(t, backend)
	err := backend.PutArtifact(t.Context(), name, "huge", func(w io.Writer) error {
		block := make([]byte, 1<<20)
		source := rand.NewChaCha8([32]byte{1})
		for range 40 {
			_, _ = source.Read(block) // It never fails.
			if _, err := w.Write(block); err != nil {
				return err
			}
		}
		return nil
	})
	mentions(t, err, "huge", name, "image of one of the enclave's services", "after one")
	conn, err := backend.connect()
	must(t, err)
	left, err := list[corev1.Secret](t.Context(), conn, secrets, namespaceName(name), ofRole(rolePart))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("%d parts are left", len(left))
	}
}
