package kubernetes

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Where the credentials come from by which nodes pull a service's image.
const (
	fromPackage = "package" // its ImageSpec
	fromSecrets = "secrets" // those that image_pull_secrets names
	fromUser    = "user"    // the user's Docker configuration
)

// pulling is how nodes come by a service's image: by a Secret of the service's own, which goes with it and holds
// credentials for that image's registry alone, and by Secrets that are in the namespace already.
type pulling struct {
	source   string // of what the Secret holds
	entries  registry.Entries
	existing []string
}

func pullSecretName(service, generation string) string {
	return manifestName(service, generation) + ".pull"
}

// pulling finds the credentials for a service's image.
func (b *Backend) pulling(ctx context.Context, conn *connection, image string, given *plan.RegistryCredentials) (*pulling, error) {
	name, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return nil, &enclave.ImageError{Image: image, Action: "find", Err: err}
	}
	if registry.IsGiven(given) {
		entries, err := registry.NewEntries(registry.Address("", name), registry.Login{Username: given.Username, Password: given.Password})
		return &pulling{source: fromPackage, entries: entries}, err
	}
	if b.options.PullSecrets == nil {
		entries, err := b.userEntries(name)
		return &pulling{source: fromUser, entries: entries}, err
	}
	found := &pulling{source: fromSecrets, entries: registry.Entries{}}
	for _, secret := range b.options.PullSecrets {
		namespace, secretName, elsewhere := strings.Cut(secret, "/")
		if !elsewhere {
			found.existing = append(found.existing, secret)
			continue
		}
		entries, err := b.named.get(secret, func() (registry.Entries, error) { return conn.readPullSecret(ctx, namespace, secretName) })
		if err != nil {
			return nil, err
		}
		found.entries.Add(entries.For(name))
	}
	return found, nil
}

// userEntries gives what the user's Docker configuration has for an image's registry. That it cannot be told is no
// failure: most images need nothing.
func (b *Backend) userEntries(name reference.Named) (registry.Entries, error) {
	address := registry.Address("", name)
	return b.logins.get(address, func() (registry.Entries, error) {
		login, err := b.options.Logins.Of(address)
		if err != nil {
			b.logger.Warn("nodes pull without credentials, as the user's cannot be read", "registry", address, "error", err)
			return registry.Entries{}, nil
		}
		if login.Password == "" && (login.IdentityToken != "" || login.RegistryToken != "") {
			b.logger.Warn("nodes pull without credentials, as the user's is a token that nodes cannot use: name a Secret by image_pull_secrets", "registry", address)
		}
		return registry.NewEntries(address, login)
	})
}

// readPullSecret reads a Secret that somebody has made for pulling images.
func (c *connection) readPullSecret(ctx context.Context, namespace, name string) (registry.Entries, error) {
	const what = "image_pull_secrets names the Secret %s/%s"
	secret, err := get[corev1.Secret](ctx, c, secrets, namespace, name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf(what+", which is not there: make it (`kubectl create secret docker-registry`), or correct the name", namespace, name)
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf(what+", which may not be read: allow `get` on it: %w", namespace, name, err)
	case err != nil:
		return nil, fmt.Errorf(what+": %w", namespace, name, err)
	}
	var entries registry.Entries
	switch secret.Type { //nolint:exhaustive // Others hold no credentials for registries.
	case corev1.SecretTypeDockerConfigJson:
		entries, err = registry.ParseEntries(secret.Data[corev1.DockerConfigJsonKey])
	case corev1.SecretTypeDockercfg:
		entries, err = registry.ParseBareEntries(secret.Data[corev1.DockerConfigKey])
	default:
		return nil, fmt.Errorf(what+", whose type is %s: give one of the type %s", namespace, name, secret.Type, corev1.SecretTypeDockerConfigJson)
	}
	if err != nil {
		return nil, fmt.Errorf(what+": %w", namespace, name, err)
	}
	return entries, nil
}

// pullReferences are the Secrets that a service's pod names.
func (w *workload) pullReferences() []corev1.LocalObjectReference {
	if w.pull == nil {
		return nil
	}
	var references []corev1.LocalObjectReference
	if len(w.pull.entries) > 0 {
		references = append(references, corev1.LocalObjectReference{Name: pullSecretName(w.request.Spec.Name, w.generation)})
	}
	for _, name := range w.pull.existing {
		references = append(references, corev1.LocalObjectReference{Name: name})
	}
	return references
}

// placePullSecret makes the Secret with a service's credentials, where there are any.
func (c *connection) placePullSecret(ctx context.Context, work *workload) error {
	if work.pull == nil || len(work.pull.entries) == 0 {
		return nil
	}
	content, err := work.pull.entries.Document()
	if err != nil {
		return err
	}
	_, err = create(ctx, c, secrets, namespaceName(work.enclave), &corev1.Secret{
		TypeMeta: secrets.typeMeta(), Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: content},
		ObjectMeta: metav1.ObjectMeta{
			Name: pullSecretName(work.request.Spec.Name, work.generation), Labels: work.labels(rolePull),
			Annotations: map[string]string{annotationSource: work.pull.source},
		},
	})
	return inEnclave(work.enclave, err)
}

// renewPullSecret brings a service's credentials up to date before it is started again: many are good for hours only.
// Those of its package stay, as only the package knows them.
func (b *Backend) renewPullSecret(ctx context.Context, conn *connection, service *corev1.Service, template *corev1.PodSpec) error {
	name := pullSecretName(service.Name, service.Labels[labelGeneration])
	named := false
	for _, item := range template.ImagePullSecrets {
		named = named || item.Name == name
	}
	made, err := time.Parse(time.RFC3339Nano, service.Annotations[annotationCreatedAt])
	if !named || err == nil && time.Since(made) < freshTime {
		return nil
	}
	secret, err := get[corev1.Secret](ctx, conn, secrets, service.Namespace, name)
	if err != nil {
		return ignoreMissing(err)
	}
	if secret.Annotations[annotationSource] == fromPackage {
		return nil
	}
	now, err := b.pulling(ctx, conn, template.Containers[0].Image, nil)
	if err != nil || len(now.entries) == 0 {
		return err
	}
	content, err := now.entries.Document()
	if err != nil || bytes.Equal(content, secret.Data[corev1.DockerConfigJsonKey]) {
		return err
	}
	secret.TypeMeta, secret.Data = secrets.typeMeta(), map[string][]byte{corev1.DockerConfigJsonKey: content}
	secret.Annotations[annotationSource] = now.source
	_, err = replace(ctx, conn, secrets, service.Namespace, name, secret)
	return err
}

// freshTime is how long credentials are used without asking for them again.
const freshTime = 5 * time.Minute

// freshEntries remembers credentials for a while, as asking for them starts a program, or takes a call, for each service.
type freshEntries struct {
	mutex sync.Mutex
	known map[string]datedEntries
}

type datedEntries struct {
	entries registry.Entries
	at      time.Time
}

func (f *freshEntries) get(key string, ask func() (registry.Entries, error)) (registry.Entries, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if found, ok := f.known[key]; ok && time.Since(found.at) < freshTime {
		return found.entries, nil
	}
	entries, err := ask()
	if err != nil {
		return nil, err
	}
	if f.known == nil {
		f.known = map[string]datedEntries{}
	}
	f.known[key] = datedEntries{entries, time.Now()}
	return entries, nil
}
