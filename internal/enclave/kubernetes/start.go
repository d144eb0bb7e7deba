package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// StartService implements enclave.Services. It makes the service's Job and waits until the process has been started; a
// reason why that will not come to be ends the wait.
func (b *Backend) StartService(ctx context.Context, name, service string) (*enclave.Service, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	started, err := b.startService(ctx, conn, name, service)
	if err != nil {
		return nil, fmt.Errorf("start service %q in enclave %q: %w", service, name, err)
	}
	return started, nil
}

func (b *Backend) startService(ctx context.Context, conn *connection, name, service string) (*enclave.Service, error) {
	namespace := namespaceName(name)
	// What is asked of the API server by lists is asked at the same time, as each may take a tenth of a second.
	watching := b.pods.join(conn, namespace)
	defer b.pods.leave(watching)
	var of *parts
	var aliases []corev1.HostAlias
	group, groupContext := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		of, err = conn.find(groupContext, name, service)
		return err
	})
	group.Go(func() (err error) {
		aliases, err = conn.hostAliases(groupContext, namespace)
		return err
	})
	err := group.Wait()
	if err != nil {
		return nil, err
	}
	found := &enclave.Service{}
	of.describe(found)
	switch found.State {
	case enclave.StateRunning:
		return b.serviceOf(ctx, conn, of)
	case enclave.StateCreated, enclave.StateStopped, enclave.StateExited:
		if err := conn.clearJobs(ctx, of); err != nil {
			return nil, err
		}
		of.service = of.service.DeepCopy()
		if of.service.Annotations[annotationState] != "" {
			if err := conn.annotate(ctx, services, namespace, service, map[string]any{annotationState: nil}); err != nil {
				return nil, err
			}
		}
		if of.job, err = b.makeJob(ctx, conn, name, of.service, aliases); err != nil {
			return nil, err
		}
	case enclave.StateStarting, enclave.StateRemoving:
	}
	if of.job == nil {
		return nil, errors.New("it was removed by somebody else while it was started")
	}
	waiter := &startWaiter{conn: conn, namespace: namespace, service: service, generation: of.service.Labels[labelGeneration], job: of.job.UID, pods: watching}
	pod, err := waiter.wait(ctx, &b.pods)
	if err != nil {
		return nil, conn.explainRefusal(ctx, of.service, err)
	}
	of.service = of.service.DeepCopy()
	of.service.Annotations[annotationState] = ""
	of.pod = pod
	if of.exposed != nil && of.exposed.Spec.Type == corev1.ServiceTypeLoadBalancer && balancerAddress(of.exposed) == "" {
		exposure, err := b.exposureFor(ctx, conn, name)
		if err != nil {
			return nil, err
		}
		if of.exposed, err = conn.awaitAddress(ctx, name, service, addressTimeout(exposure)); err != nil {
			return nil, err
		}
	}
	return b.serviceOf(ctx, conn, of)
}

// clearJobs removes the Job of a start before, and those of older generations that somebody who was killed has left.
func (c *connection) clearJobs(ctx context.Context, of *parts) error {
	if of.job == nil && !of.older {
		return nil
	}
	namespace, which := of.service.Namespace, ofService(of.service.Name)
	if err := c.removeAll(ctx, jobs, namespace, which, deletion{}); err != nil {
		return err
	}
	return c.endPods(ctx, namespace, which, graceOf(of.service))
}

// makeJob makes the Job that a service's Secret holds. The names that no Service can have are put into the pod's hosts file
// as they are when it is started.
func (b *Backend) makeJob(ctx context.Context, c *connection, name string, service *corev1.Service, aliases []corev1.HostAlias) (*batchv1.Job, error) {
	namespace := namespaceName(name)
	job, err := c.jobOf(ctx, service)
	if err != nil {
		return nil, err
	}
	if err := b.renewPullSecret(ctx, c, service, &job.Spec.Template.Spec); err != nil {
		return nil, err
	}
	job.Spec.Template.Spec.HostAliases = aliases
	if err := c.applyPodPolicy(ctx, name, job); err != nil {
		return nil, err
	}
	made, err := create(ctx, c, jobs, namespace, job)
	if isConflict(err) {
		return c.currentJob(ctx, service)
	}
	return made, inEnclave(name, err)
}

// jobOf reads the Job of a service that was made, unless this process itself has just made it.
func (c *connection) jobOf(ctx context.Context, service *corev1.Service) (*batchv1.Job, error) {
	name := manifestName(service.Name, service.Labels[labelGeneration])
	if job, found := c.prepared.LoadAndDelete(service.Namespace + "/" + name); found {
		return job.(*batchv1.Job), nil //nolint:forcetypeassert // Nothing else is kept there.
	}
	manifest, err := get[corev1.Secret](ctx, c, secrets, service.Namespace, name)
	if apierrors.IsNotFound(err) {
		return nil, c.halfMade(ctx, service)
	}
	if err != nil {
		return nil, err
	}
	job := &batchv1.Job{}
	if err := json.Unmarshal(manifest.Data[manifestField], job); err != nil {
		return nil, fmt.Errorf("Secret %s: %w", manifest.Name, err) //nolint:staticcheck // It is the name of a kind.
	}
	return job, nil
}

// currentJob gives the Job of a service that somebody else has made meanwhile; nil if it is gone again.
func (c *connection) currentJob(ctx context.Context, service *corev1.Service) (*batchv1.Job, error) {
	found, err := list[batchv1.Job](ctx, c, jobs, service.Namespace, selector(ofService(service.Name), ofGeneration(service.Labels[labelGeneration])))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// hostAliases are asked for once for all services that are started at the same time.
func (c *connection) hostAliases(ctx context.Context, namespace string) ([]corev1.HostAlias, error) {
	return c.dotted.in(namespace).ask(ctx, "", func(ctx context.Context, _ []string) ([]corev1.HostAlias, error) {
		return c.findHostAliases(ctx, namespace)
	})
}

func (c *connection) findHostAliases(ctx context.Context, namespace string) ([]corev1.HostAlias, error) {
	dotted, err := list[corev1.Service](ctx, c, services, namespace, selector(labelDotted, ofRole(roleService, roleTask)))
	if err != nil {
		return nil, err
	}
	var aliases []corev1.HostAlias
	for i := range dotted {
		var names []string
		if err := json.Unmarshal([]byte(dotted[i].Annotations[annotationAliases]), &names); err != nil {
			return nil, fmt.Errorf("service %q: annotation %s: %w", dotted[i].Name, annotationAliases, err)
		}
		names = slices.DeleteFunc(names, isServiceName)
		if len(names) > 0 {
			aliases = append(aliases, corev1.HostAlias{IP: dotted[i].Spec.ClusterIP, Hostnames: names})
		}
	}
	return aliases, nil
}

// StopService implements enclave.Services. The pod goes, and with it what the process has written outside of persistent
// directories; name, address and ports stay.
func (b *Backend) StopService(ctx context.Context, name, service string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := conn.stopService(ctx, name, service); err != nil {
		return fmt.Errorf("stop service %q in enclave %q: %w", service, name, err)
	}
	return nil
}

func (c *connection) stopService(ctx context.Context, name, service string) error {
	of, err := c.find(ctx, name, service)
	if err != nil {
		return err
	}
	found := &enclave.Service{}
	of.describe(found)
	if found.State == enclave.StateCreated || found.State == enclave.StateStopped {
		return nil
	}
	namespace := namespaceName(name)
	if err := c.annotate(ctx, services, namespace, service, map[string]any{annotationState: stateStopped}); err != nil {
		return err
	}
	if found.State == enclave.StateExited {
		return nil // Its logs stay with its pod.
	}
	if err := c.removeAll(ctx, jobs, namespace, ofService(service), deletion{}); err != nil {
		return err
	}
	return c.endPods(ctx, namespace, ofService(service), nil)
}

// halfMade says that what a service is started from is not there: whoever made it was cut off, or somebody has removed it. The
// service then counts as one that is not what is wanted, so that it is made anew.
func (c *connection) halfMade(ctx context.Context, service *corev1.Service) error {
	err := c.annotate(ctx, services, service.Namespace, service.Name, map[string]any{enclave.LabelDigest: nil})
	return errors.Join(errors.New("it is half-made, as the Secret from which it is started is gone: apply again, which makes it anew"), ignoreMissing(err))
}
