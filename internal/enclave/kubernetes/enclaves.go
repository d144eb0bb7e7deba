package kubernetes

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

const keySize = 32

// keyField is the key's place in its Secret.
const keyField = "key"

// CreateEnclave implements enclave.Enclaves. The namespace can be made only once, and says who the owner is; the key's
// Secret can be made only once in it.
func (b *Backend) CreateEnclave(ctx context.Context, spec enclave.Spec) (*enclave.Enclave, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	created, err := conn.createEnclave(ctx, spec)
	if err != nil {
		if _, ok := errors.AsType[*enclave.OwnedError](err); ok {
			return nil, err
		}
		return nil, fmt.Errorf("create enclave %q: %w", spec.Name, err)
	}
	return created, nil
}

func (c *connection) createEnclave(ctx context.Context, spec enclave.Spec) (*enclave.Enclave, error) {
	for {
		made := false
		namespace, err := get[corev1.Namespace](ctx, c, namespaces, "", namespaceName(spec.Name))
		if apierrors.IsNotFound(err) {
			wanted, packErr := namespaceOf(spec)
			if packErr != nil {
				return nil, packErr
			}
			namespace, err = create(ctx, c, namespaces, "", wanted)
			if apierrors.IsAlreadyExists(err) {
				continue
			}
			made = err == nil
		}
		if err != nil {
			return nil, err
		}
		if err := checkOurs(namespace, spec.Name); err != nil {
			return nil, err
		}
		if isGoing(namespace) {
			// The one before it is on its way out.
			if err := c.awaitRemoval(ctx, spec.Name, namespace.UID); err != nil {
				return nil, err
			}
			continue
		}
		var found *enclave.Enclave
		if namespace, err = c.owned(ctx, namespace, spec); err == nil {
			found, err = c.complete(ctx, spec.Name, namespace, made)
		}
		if isGone(err) || apierrors.IsConflict(err) {
			continue
		}
		return found, err
	}
}

// complete makes what an enclave is besides its namespace. The key comes last: an enclave that has one is whole.
func (c *connection) complete(ctx context.Context, name string, namespace *corev1.Namespace, fresh bool) (*enclave.Enclave, error) {
	if !fresh {
		key, err := c.key(ctx, name)
		if err == nil {
			return c.observedEnclave(ctx, namespace, key)
		}
		if !apierrors.IsNotFound(err) {
			return nil, err
		}
	}
	policy, err := policyIn(namespace)
	if err != nil {
		return nil, err
	}
	if err := c.applyPolicy(ctx, name, policy); err != nil {
		return nil, err
	}
	key, err := c.ensureKey(ctx, name)
	if err != nil {
		return nil, err
	}
	found, err := enclaveOf(namespace, key)
	if err != nil {
		return nil, err
	}
	found.Policy = policy
	return found, nil
}

// observedEnclave is an enclave together with what of its policy holds.
func (c *connection) observedEnclave(ctx context.Context, namespace *corev1.Namespace, key []byte) (*enclave.Enclave, error) {
	found, err := enclaveOf(namespace, key)
	if err != nil {
		return nil, err
	}
	if found.Policy, err = c.observePolicy(ctx, namespace); err != nil {
		return nil, fmt.Errorf("enclave %q: %w", found.Name, err)
	}
	return found, nil
}

// checkOurs refuses a namespace that somebody else has made.
func checkOurs(namespace *corev1.Namespace, name string) error {
	if namespace.Labels[enclave.LabelManagedBy] == enclave.ManagedBy && namespace.Labels[enclave.LabelEnclave] == name {
		return nil
	}
	return fmt.Errorf("the namespace %q exists and was not made by Sundog: choose another name for the enclave, or remove the namespace", namespace.Name)
}

func checkOwner(namespace *corev1.Namespace, spec enclave.Spec) error {
	if owner := namespace.Annotations[enclave.LabelOwner]; owner != spec.Owner {
		return &enclave.OwnedError{Kind: "enclave", Name: spec.Name, Owner: owner, CreatedAt: namespace.CreationTimestamp.Time}
	}
	return nil
}

func isGoing(namespace *corev1.Namespace) bool {
	return namespace.DeletionTimestamp != nil || namespace.Status.Phase == corev1.NamespaceTerminating
}

func namespaceOf(spec enclave.Spec) (*corev1.Namespace, error) {
	namespace := &corev1.Namespace{TypeMeta: namespaces.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: namespaceName(spec.Name)}}
	return namespace, describe(namespace, spec)
}

// describe gives a namespace the labels and annotations of an enclave.
func describe(namespace *corev1.Namespace, spec enclave.Spec) error {
	before, err := userLabels(namespace)
	if err != nil {
		return err
	}
	if namespace.Labels == nil {
		namespace.Labels = map[string]string{}
	}
	if namespace.Annotations == nil {
		namespace.Annotations = map[string]string{}
	}
	for key := range before {
		delete(namespace.Labels, key)
	}
	maps.Copy(namespace.Labels, validLabels(spec.Labels))
	maps.Copy(namespace.Labels, objectLabels(spec.Name, roleNamespace))
	delete(namespace.Labels, enclave.LabelOwner)
	if len(validation.IsValidLabelValue(spec.Owner)) == 0 {
		namespace.Labels[enclave.LabelOwner] = spec.Owner
	}
	text, err := json.Marshal(spec.Labels)
	if err != nil {
		return err
	}
	namespace.Annotations[annotationLabels] = string(text)
	namespace.Annotations[enclave.LabelOwner] = spec.Owner
	delete(namespace.Annotations, enclave.LabelExpiresAt)
	if !spec.ExpiresAt.IsZero() {
		namespace.Annotations[enclave.LabelExpiresAt] = spec.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return errors.Join(describePolicy(namespace, spec.Policy), describeExposure(namespace, spec.Exposure))
}

func userLabels(namespace *corev1.Namespace) (map[string]string, error) {
	var labels map[string]string
	if text := namespace.Annotations[annotationLabels]; text != "" {
		if err := json.Unmarshal([]byte(text), &labels); err != nil {
			return nil, fmt.Errorf("namespace %q: annotation %s: %w", namespace.Name, annotationLabels, err)
		}
	}
	return labels, nil
}

func enclaveOf(namespace *corev1.Namespace, key []byte) (*enclave.Enclave, error) {
	labels, err := userLabels(namespace)
	if err != nil {
		return nil, err
	}
	found := &enclave.Enclave{
		Backend: "kubernetes", Name: namespace.Labels[enclave.LabelEnclave], Owner: namespace.Annotations[enclave.LabelOwner],
		Network: namespace.Name, Labels: labels, CreatedAt: namespace.CreationTimestamp.UTC(), Key: key,
	}
	if found.Exposure, err = exposureIn(namespace); err != nil {
		return nil, err
	}
	if text := namespace.Annotations[enclave.LabelExpiresAt]; text != "" {
		if found.ExpiresAt, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, fmt.Errorf("namespace %q: annotation %s: %w", namespace.Name, enclave.LabelExpiresAt, err)
		}
	}
	return found, nil
}

// ensureKey gives the enclave's key, and makes one if there is none.
func (c *connection) ensureKey(ctx context.Context, name string) ([]byte, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // It never fails (crypto/rand).
	_, err := create(ctx, c, secrets, namespaceName(name), &corev1.Secret{
		TypeMeta: secrets.typeMeta(), Data: map[string][]byte{keyField: key},
		ObjectMeta: metav1.ObjectMeta{Name: keySecret, Labels: objectLabels(name, roleEnclave)},
	})
	if apierrors.IsAlreadyExists(err) {
		return c.key(ctx, name)
	}
	return key, err
}

func (c *connection) key(ctx context.Context, name string) ([]byte, error) {
	secret, err := get[corev1.Secret](ctx, c, secrets, namespaceName(name), keySecret)
	if err != nil {
		return nil, err
	}
	return secret.Data[keyField], nil
}

// UpdateEnclave implements enclave.Enclaves.
func (b *Backend) UpdateEnclave(ctx context.Context, spec enclave.Spec) (*enclave.Enclave, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	for {
		updated, err := b.updateEnclave(ctx, conn, spec)
		if apierrors.IsConflict(err) {
			continue // Somebody else has changed it since it was read.
		}
		if err != nil {
			return nil, fmt.Errorf("update enclave %q: %w", spec.Name, err)
		}
		return updated, nil
	}
}

// updateEnclave changes an enclave unless somebody else has changed it since it was read, which is a conflict.
func (b *Backend) updateEnclave(ctx context.Context, conn *connection, spec enclave.Spec) (*enclave.Enclave, error) {
	namespace, key, err := conn.findEnclave(ctx, spec.Name)
	if err != nil {
		return nil, err
	}
	if err := checkOwner(namespace, spec); err != nil {
		return nil, err
	}
	follow, err := askExposure(namespace, spec.Exposure)
	if err != nil {
		return nil, err
	}
	if spec.Policy != nil {
		before, err := policyIn(namespace)
		if err == nil {
			err = conn.dropPolicy(ctx, spec.Name, before, spec.Policy)
		}
		if err != nil {
			return nil, err
		}
		if before.Open != spec.Policy.Open {
			namespace.Annotations[annotationUnsettled] = "true"
		}
	}
	follow = follow || namespace.Annotations[annotationUnsettled] != ""
	if !follow && spec.Exposure != nil {
		published, err := b.isPublished(ctx, conn, namespace, spec.Name)
		if err != nil {
			return nil, err
		}
		follow = !published
	}
	if err := describe(namespace, spec); err != nil {
		return nil, err
	}
	namespace.TypeMeta = namespaces.typeMeta()
	updated, err := replace(ctx, conn, namespaces, "", namespace.Name, namespace)
	if err != nil {
		return nil, err
	}
	if follow {
		if updated, err = b.settle(ctx, conn, updated, spec.Name); err != nil {
			return nil, err
		}
	}
	if spec.Policy != nil {
		if err := conn.applyPolicy(ctx, spec.Name, spec.Policy); err != nil {
			return nil, err
		}
	}
	return conn.observedEnclave(ctx, updated, key)
}

// findEnclave reads the namespace and the key of an enclave; a half-made one, or one that goes, is not there.
func (c *connection) findEnclave(ctx context.Context, name string) (*corev1.Namespace, []byte, error) {
	var namespace *corev1.Namespace
	var key []byte
	group, groupContext := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		namespace, err = get[corev1.Namespace](groupContext, c, namespaces, "", namespaceName(name))
		return err
	})
	group.Go(func() (err error) {
		key, err = c.key(groupContext, name)
		return err
	})
	if err := group.Wait(); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil, noEnclave(name)
		}
		return nil, nil, fmt.Errorf("enclave %q: %w", name, err)
	}
	if checkOurs(namespace, name) != nil || isGoing(namespace) {
		return nil, nil, noEnclave(name)
	}
	return namespace, key, nil
}

// sharedNamespace asks for an enclave's namespace, once for all services that are made or started at the same time. It must not
// be changed.
func (c *connection) sharedNamespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	return c.namespaces.in(name).ask(ctx, "", func(ctx context.Context, _ []string) (*corev1.Namespace, error) {
		namespace, err := get[corev1.Namespace](ctx, c, namespaces, "", namespaceName(name))
		if isGone(err) {
			return nil, noEnclave(name)
		}
		if err != nil {
			return nil, fmt.Errorf("enclave %q: %w", name, err)
		}
		return namespace, nil
	})
}

// mustExist fails with ErrNotFound if there is no such enclave.
func (c *connection) mustExist(ctx context.Context, name string) error {
	namespace, err := get[corev1.Namespace](ctx, c, namespaces, "", namespaceName(name))
	if apierrors.IsNotFound(err) {
		return noEnclave(name)
	}
	if err != nil {
		return fmt.Errorf("enclave %q: %w", name, err)
	}
	if checkOurs(namespace, name) != nil || isGoing(namespace) {
		return noEnclave(name)
	}
	return nil
}

// Enclave implements enclave.Enclaves.
func (b *Backend) Enclave(ctx context.Context, name string) (*enclave.Enclave, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	namespace, key, err := conn.findEnclave(ctx, name)
	if err != nil {
		return nil, err
	}
	found, err := conn.observedEnclave(ctx, namespace, key)
	if err != nil {
		return nil, err
	}
	published, err := b.isPublished(ctx, conn, namespace, name)
	if !published {
		found.Exposure = &enclave.Exposure{Mode: enclave.ExposeUnsettled}
	}
	return found, err
}

// ListEnclaves implements enclave.Enclaves.
func (b *Backend) ListEnclaves(ctx context.Context) ([]enclave.Enclave, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	found, err := list[corev1.Namespace](ctx, conn, namespaces, "", selector(ofSundog(), ofRole(roleNamespace)))
	if err != nil {
		return nil, fmt.Errorf("list enclaves: %w", err)
	}
	keys, err := conn.allKeys(ctx, found)
	if err != nil {
		return nil, fmt.Errorf("list enclaves: %w", err)
	}
	var enclaves []enclave.Enclave
	for i := range found {
		key, whole := keys[found[i].Name]
		if isGoing(&found[i]) || !whole {
			continue
		}
		item, err := enclaveOf(&found[i], key)
		if err != nil {
			return nil, fmt.Errorf("list enclaves: %w", err)
		}
		enclaves = append(enclaves, *item)
	}
	slices.SortFunc(enclaves, func(a, b enclave.Enclave) int { return strings.Compare(a.Name, b.Name) })
	return enclaves, nil
}

// allKeys reads the keys of enclaves by namespace: all at once where that is allowed, else one by one.
func (c *connection) allKeys(ctx context.Context, found []corev1.Namespace) (map[string][]byte, error) {
	keys := map[string][]byte{}
	all, err := list[corev1.Secret](ctx, c, secrets, "", selector(ofSundog(), ofRole(roleEnclave)))
	if err == nil {
		for i := range all {
			if all[i].Name == keySecret {
				keys[all[i].Namespace] = all[i].Data[keyField]
			}
		}
		return keys, nil
	}
	if !apierrors.IsForbidden(err) {
		return nil, err
	}
	for i := range found {
		secret, err := get[corev1.Secret](ctx, c, secrets, found[i].Name, keySecret)
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys[found[i].Name] = secret.Data[keyField]
	}
	return keys, nil
}
