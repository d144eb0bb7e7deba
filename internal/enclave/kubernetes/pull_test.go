package kubernetes

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// publish starts a registry that asks for a password, which has the test image, and gives the image's name there.
func publish(t *testing.T) (address, image string) {
	t.Helper()
	address = enclavetest.StartRegistry(t, enclavetest.NodeNetwork(t))
	image = address + "/team/service:1"
	unload(t, image)
	unload(t, address+"/team/service@"+push(t, image, enclavetest.SaveImages(t, "service:1", "unprivileged:1"), "service:1"))
	return address, image
}

// unload takes an image out of the nodes when the test ends.
func unload(t *testing.T, image string) {
	t.Helper()
	t.Cleanup(func() { enclavetest.RemoveFromNodes(t, image) })
}

// push makes a registry have an image of an archive, and gives its digest.
func push(t *testing.T, image, archive, saved string) string {
	t.Helper()
	tag, err := name.NewTag(saved)
	must(t, err)
	content, err := tarball.ImageFromPath(archive, &tag)
	must(t, err)
	target, err := name.NewTag(image)
	must(t, err)
	must(t, remote.Write(target, content, remote.WithAuth(&authn.Basic{Username: enclavetest.RegistryUser, Password: enclavetest.RegistryPassword})))
	digest, err := content.Digest()
	must(t, err)
	return digest.String()
}

// backendWith is a backend with other options than the tests' common ones.
func backendWith(t *testing.T, change func(*Options)) *Backend {
	t.Helper()
	options := Options{Expose: ExposeNodePort}
	kubernetesBackend(t)
	change(&options)
	backend := New(options)
	t.Cleanup(func() { must(t, backend.Close()) })
	return backend
}

// withLogin is a backend of a user who has a password for a registry, or none if it is empty.
func withLogin(t *testing.T, address, password string) *Backend {
	t.Helper()
	folder := enclavetest.DockerConfig(t, address, password)
	return backendWith(t, func(options *Options) { options.Logins = registry.Logins{Directory: folder} })
}

// startOf asks for a service of an image and starts it.
func startOf(t *testing.T, backend *Backend, name string, image plan.Image) error {
	t.Helper()
	return createAndStart(t.Context(), backend, name, serviceRequest(t, backend, image.Name, func(request *enclave.ServiceRequest) {
		request.Spec.Image = image
	}))
}

// refusedStart checks that a start fails soon, with the node's reason and what to do, and without the password.
func refusedStart(t *testing.T, err error, want ...string) {
	t.Helper()
	mentions(t, err, append(want, "401 Unauthorized")...)
	if strings.Contains(err.Error(), enclavetest.RegistryPassword) {
		t.Errorf("the error shows the password: %v", err)
	}
}

// pullSecrets gives the pull secrets of an enclave.
func pullSecrets(t *testing.T, backend *Backend, name string) []corev1.Secret {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	found, err := list[corev1.Secret](t.Context(), conn, secrets, namespaceName(name), ofRole(rolePull))
	must(t, err)
	return found
}

// The user's own credentials do, and only while the enclave has a service that needs them.
func TestKubernetesPullsAsTheUser(t *testing.T) {
	t.Parallel()
	address, image := publish(t)
	wanted := plan.Image{Name: image}
	anonymous := withLogin(t, address, "")
	name := makeEnclave(t, anonymous)
	begun := time.Now()
	refusedStart(t, startOf(t, anonymous, name, wanted), image, "docker login "+address, "image_pull_secrets")
	refusedStart(t, startOf(t, withLogin(t, address, "wrong-"+enclavetest.RegistryPassword), name, wanted), image, "docker login "+address, "refuses the credentials of the Docker configuration")
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("two refusals took %s", took)
	}
	backend := withLogin(t, address, enclavetest.RegistryPassword)
	must(t, startOf(t, backend, name, wanted))
	found := pullSecrets(t, backend, name)
	if len(found) != 1 || found[0].Type != corev1.SecretTypeDockerConfigJson || found[0].Labels[enclave.LabelManagedBy] != enclave.ManagedBy || found[0].Labels[enclave.LabelService] != "api" {
		t.Fatalf("the pull secrets are %+v, want one of the service", found)
	}
	// A service whose image is elsewhere gets no credentials for this registry.
	other := serviceRequest(t, backend, testImages(t).Service, func(request *enclave.ServiceRequest) { request.Spec.Name = "other" })
	must(t, createAndStart(t.Context(), backend, name, other))
	if found := pullSecrets(t, backend, name); len(found) != 1 {
		t.Errorf("there are %d pull secrets, want one", len(found))
	}
	// Whoever may look at pods sees no password.
	conn, err := backend.connect()
	must(t, err)
	for _, kind := range []objectKind{services, jobs, pods, events} {
		var body map[string]any
		must(t, conn.do(t.Context(), call{verb: "GET", path: kind.path(namespaceName(name), "")}, &body))
		if strings.Contains(string(mustMarshal(t, body)), enclavetest.RegistryPassword) {
			t.Errorf("%s hold the password", kind.plural)
		}
	}
	must(t, backend.RemoveService(t.Context(), name, "api"))
	if found := pullSecrets(t, backend, name); len(found) != 0 {
		t.Errorf("a pull secret outlives its service: %v", found[0].Name)
	}
}

// A password that has changed reaches a service that was made with the one before when it is started again.
func TestKubernetesRenewsCredentials(t *testing.T) {
	t.Parallel()
	address, image := publish(t)
	backend := withLogin(t, address, enclavetest.RegistryPassword)
	name := makeEnclave(t, backend)
	must(t, startOf(t, backend, name, plan.Image{Name: image}))
	conn, err := backend.connect()
	must(t, err)
	// As if it had been made long ago, with a token that is not valid any more.
	must(t, conn.annotate(t.Context(), services, namespaceName(name), "api", map[string]any{annotationCreatedAt: time.Now().Add(-time.Hour).UTC().Format(time.RFC3339Nano)}))
	stale, err := registry.NewEntries(address, registry.Login{Username: enclavetest.RegistryUser, Password: "stale"})
	must(t, err)
	content, err := stale.Document()
	must(t, err)
	secret := pullSecrets(t, backend, name)[0]
	secret.TypeMeta, secret.Data = secrets.typeMeta(), map[string][]byte{corev1.DockerConfigJsonKey: content}
	_, err = replace(t.Context(), conn, secrets, namespaceName(name), secret.Name, &secret)
	must(t, err)
	must(t, backend.StopService(t.Context(), name, "api"))
	_, err = backend.StartService(t.Context(), name, "api")
	must(t, err)
	if got := string(pullSecrets(t, backend, name)[0].Data[corev1.DockerConfigJsonKey]); !strings.Contains(got, enclavetest.RegistryPassword) {
		t.Error("the pull secret still holds the stale password")
	}
}

// Credentials of a package's ImageSpec go before the user's.
func TestKubernetesPullsAsThePackageSays(t *testing.T) {
	t.Parallel()
	address, image := publish(t)
	backend := withLogin(t, address, "wrong")
	name := makeEnclave(t, backend)
	wanted := plan.Image{Name: image, Registry: &plan.RegistryCredentials{Username: enclavetest.RegistryUser, Password: "wrong-" + enclavetest.RegistryPassword}}
	refusedStart(t, startOf(t, backend, name, wanted), image, "ImageSpec", address)
	wanted.Registry.Password = enclavetest.RegistryPassword
	must(t, startOf(t, backend, name, wanted))
}

// Secrets that somebody has made do, and then the user's own credentials stay where they are.
func TestKubernetesPullsByNamedSecrets(t *testing.T) {
	t.Parallel()
	address, image := publish(t)
	direct := kubernetesBackend(t)
	conn, err := direct.connect()
	must(t, err)
	home := makeEnclave(t, direct)
	entries, err := registry.NewEntries(address, registry.Login{Username: enclavetest.RegistryUser, Password: enclavetest.RegistryPassword})
	must(t, err)
	entries["elsewhere.example.com"] = entries[address]
	content, err := entries.Document()
	must(t, err)
	place := func(enclaveName string) {
		t.Helper()
		_, err := create(t.Context(), conn, secrets, namespaceName(enclaveName), &corev1.Secret{
			TypeMeta: secrets.typeMeta(), Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: content},
			ObjectMeta: metav1.ObjectMeta{Name: "team-registry"},
		})
		must(t, err)
	}
	place(home)
	named := func(names ...string) *Backend {
		folder := enclavetest.DockerConfig(t, address, enclavetest.RegistryPassword)
		return backendWith(t, func(options *Options) {
			options.PullSecrets, options.Logins = append([]string{}, names...), registry.Logins{Directory: folder}
		})
	}
	name := makeEnclave(t, direct)
	wanted := plan.Image{Name: image}
	refusedStart(t, startOf(t, named(), name, wanted), image, "image_pull_secrets")
	mentions(t, startOf(t, named(namespaceName(home)+"/none"), name, wanted), "image_pull_secrets", namespaceName(home)+"/none", "not there")
	mentions(t, startOf(t, named(namespaceName(home)+"/"+keySecret), name, wanted), "image_pull_secrets", keySecret, "kubernetes.io/dockerconfigjson")

	// One of another namespace is copied, as far as it is about the image's registry.
	backend := named(namespaceName(home) + "/team-registry")
	must(t, startOf(t, backend, name, wanted))
	if copied := string(pullSecrets(t, backend, name)[0].Data[corev1.DockerConfigJsonKey]); strings.Contains(copied, "elsewhere") || !strings.Contains(copied, address) {
		t.Errorf("what was copied is %d bytes, want the entry for %s alone", len(copied), address)
	}
	// One of the enclave's own namespace is only named.
	second := makeEnclave(t, direct)
	place(second)
	backend = named("team-registry")
	must(t, startOf(t, backend, second, wanted))
	if found := pullSecrets(t, backend, second); len(found) != 0 {
		t.Errorf("there is a pull secret %s, want none", found[0].Name)
	}
}
