package docker

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/lockholder"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// TestDockerLabelsEverything makes an enclave with one object of each kind, and looks for objects of its name, by name and
// not by label.
func TestDockerLabelsEverything(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	images := enclavetest.BuildImages(t, backend)
	name := makeEnclave(t, backend)
	content := make([]byte, smallArtifact+1)
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("big", 0o644, string(content))})
	must(t, err)
	must(t, backend.PutArtifact(t.Context(), name, tree.Digest(), tree.WriteTar))
	request := serviceRequest(t, backend, images.Service)
	request.Spec.Files["/big"] = plan.Mount{Artifacts: []string{"big"}, Owner: &plan.User{UID: 7}}
	request.Artifacts = map[string]string{"big": tree.Digest()}
	must(t, createAndStart(t.Context(), backend, name, request))
	task := request
	task.Spec.Name, task.Task = "task", true
	must(t, createAndStart(t.Context(), backend, name, task))
	unlock, err := backend.Lock(t.Context(), name, "run/shop", "me")
	must(t, err)
	defer unlock()

	seen := map[string][]string{}
	check := func(object string, labels map[string]string, further ...string) {
		if labels[enclave.LabelManagedBy] != enclave.ManagedBy || labels[enclave.LabelEnclave] != name || labels[enclave.LabelRole] == "" {
			t.Errorf("%s has the labels %v", object, labels)
		}
		for _, label := range further {
			if labels[label] == "" {
				t.Errorf("%s has no label %s: %v", object, label, labels)
			}
		}
		kind, _, _ := strings.Cut(object, " ")
		seen[kind] = append(seen[kind], labels[enclave.LabelRole])
	}
	stream, err := backend.Artifact(t.Context(), name, tree.Digest())
	must(t, err)
	containers, err := conn.ContainerList(t.Context(), client.ContainerListOptions{All: true})
	must(t, errors.Join(err, stream.Close()))
	for _, item := range containers.Items {
		if !strings.Contains(containerName(item), name) {
			continue
		}
		if isService(item) {
			check("container "+containerName(item), item.Labels, enclave.LabelRun, enclave.LabelService, enclave.LabelOwner, enclave.LabelDigest)
		} else {
			check("container "+containerName(item), item.Labels)
		}
	}
	volumes, err := conn.VolumeList(t.Context(), client.VolumeListOptions{})
	must(t, err)
	for _, item := range volumes.Items {
		switch {
		case !strings.Contains(item.Name, name):
		case item.Labels[enclave.LabelRole] == roleNote:
			check("volume "+item.Name, item.Labels, labelNote, labelVersion, labelContent)
		case item.Labels[labelPersistentKey] != "":
			check("volume "+item.Name, item.Labels)
		default:
			check("volume "+item.Name, item.Labels, enclave.LabelRun, enclave.LabelService)
		}
	}
	networks, err := conn.NetworkList(t.Context(), client.NetworkListOptions{})
	must(t, err)
	for _, item := range networks.Items {
		if strings.Contains(item.Name, name) {
			check("network "+item.Name, item.Labels, enclave.LabelOwner)
		}
	}
	built, err := conn.ImageList(t.Context(), client.ImageListOptions{})
	must(t, err)
	for _, item := range built.Items {
		if slices.ContainsFunc(item.RepoTags, func(tag string) bool { return strings.Contains(tag, name) }) {
			check("image "+item.ID, item.Labels, enclave.LabelDigest)
		}
	}
	// Images that were built belong to no enclave: several may use them, and the last one takes them along.
	for _, image := range []string{images.Service, emptyImage} {
		found, err := conn.ImageInspect(t.Context(), image)
		must(t, err)
		if labels := found.Config.Labels; labels[enclave.LabelManagedBy] != enclave.ManagedBy || labels[enclave.LabelRole] != roleImage {
			t.Errorf("image %s has the labels %v", image, labels)
		}
	}
	want := map[string][]string{
		"container": {roleArtifact, roleLock, roleService, roleStore, roleTask}, "image": {roleArtifact, roleArtifact},
		"network": {roleNetwork}, "volume": {roleNote, roleNote, roleNote, roleVolume, roleVolume, roleVolume},
	}
	for kind, roles := range seen {
		slices.Sort(roles)
		if !slices.Equal(roles, want[kind]) {
			t.Errorf("found %ss with the roles %v, want %v", kind, roles, want[kind])
		}
	}
	if len(seen) != len(want) {
		t.Errorf("found objects of the kinds %v, want %v", slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(want)))
	}
}

// TestDockerLeavesNothingOfArtifacts removes what a process that was killed had left behind while it read an artifact.
func TestDockerLeavesNothingOfArtifacts(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	name := makeEnclave(t, backend)
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("big", 0o644, strings.Repeat("x", smallArtifact))})
	must(t, err)
	must(t, backend.PutArtifact(t.Context(), name, tree.Digest(), tree.WriteTar))
	dead := objectLabels(name, roleArtifact, map[string]string{labelHolderProcess: `{"machine":"` + lockholder.Machine() + `","pid":1,"started":"never"}`})
	_, err = conn.createFromEmpty(t.Context(), readerPrefix(name)+"dead", dead)
	must(t, err)
	stream, err := backend.Artifact(t.Context(), name, tree.Digest())
	must(t, err)
	// The owner's next apply takes what is dead and leaves what is in use.
	_, err = backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
	must(t, err)
	containers, err := conn.containersOf(t.Context(), ofEnclave(name), ofRole(roleArtifact))
	must(t, err)
	if len(containers) != 1 {
		t.Errorf("there are %d containers that read artifacts, want the one in use", len(containers))
	}
	must(t, stream.Close())
	must(t, backend.RemoveEnclave(t.Context(), name))
	if remaining := conn.remaining(t.Context(), name); remaining != "" {
		t.Errorf("there remain %s", remaining)
	}
}
