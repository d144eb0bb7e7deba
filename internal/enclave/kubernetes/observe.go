package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// parts are the objects of one service's current generation.
type parts struct {
	service, exposed *corev1.Service
	job              *batchv1.Job
	pod              *corev1.Pod
	// older tells that there are Jobs besides, of older generations or on their way out.
	older bool
}

// Observe implements enclave.Enclaves by five calls that run side by side: namespace and key, and a list of each kind of
// object.
func (b *Backend) Observe(ctx context.Context, name string) (*enclave.Snapshot, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	var namespace *corev1.Namespace
	var key []byte
	var found map[string]*parts
	group, groupContext := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		namespace, key, err = conn.findEnclave(groupContext, name)
		return err
	})
	group.Go(func() (err error) {
		found, err = conn.collect(groupContext, name)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("observe: %w", err)
	}
	described, err := enclaveOf(namespace, key)
	if err != nil {
		return nil, err
	}
	snapshot := &enclave.Snapshot{Enclave: *described, Services: map[string]enclave.Service{}}
	for service, of := range found {
		item, err := b.serviceOf(ctx, conn, of)
		if err != nil {
			return nil, fmt.Errorf("observe enclave %q: %w", name, err)
		}
		snapshot.Services[service] = *item
	}
	return snapshot, nil
}

// mostNamed bounds how many services a list names; if more are wanted it is a list of all.
const mostNamed = 50

// collect lists the objects of an enclave, or of some services in it, and puts them together by service. What is of an older
// generation is left out: it goes when the service is next touched.
func (c *connection) collect(ctx context.Context, name string, some ...string) (map[string]*parts, error) {
	namespace := namespaceName(name)
	which := []string{ofSundog()}
	if len(some) > 0 && len(some) <= mostNamed {
		which = append(which, ofServices(some))
	}
	var allServices []corev1.Service
	var allJobs []batchv1.Job
	var allPods []corev1.Pod
	group, groupContext := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		allServices, err = list[corev1.Service](groupContext, c, services, namespace, selector(append(which, ofRole(roleService, roleTask, roleExposed))...))
		return err
	})
	group.Go(func() (err error) {
		allJobs, err = list[batchv1.Job](groupContext, c, jobs, namespace, selector(which...))
		return err
	})
	group.Go(func() (err error) {
		allPods, err = list[corev1.Pod](groupContext, c, pods, namespace, selector(which...))
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return assemble(allServices, allJobs, allPods), nil
}

func assemble(allServices []corev1.Service, allJobs []batchv1.Job, allPods []corev1.Pod) map[string]*parts {
	found := map[string]*parts{}
	for i := range allServices {
		if role := allServices[i].Labels[enclave.LabelRole]; role == roleService || role == roleTask {
			found[allServices[i].Name] = &parts{service: &allServices[i]}
		}
	}
	for i := range allServices {
		if of := found[allServices[i].Labels[enclave.LabelService]]; of != nil && allServices[i].Labels[enclave.LabelRole] == roleExposed {
			of.exposed = &allServices[i]
		}
	}
	// current gives the service that an object belongs to, if it is of the same generation.
	current := func(labels map[string]string) *parts {
		of := found[labels[enclave.LabelService]]
		if of == nil || of.service.Labels[labelGeneration] != labels[labelGeneration] {
			return nil
		}
		return of
	}
	for i := range allJobs {
		if of := current(allJobs[i].Labels); of != nil && allJobs[i].DeletionTimestamp == nil {
			of.job = &allJobs[i]
		} else if of := found[allJobs[i].Labels[enclave.LabelService]]; of != nil {
			of.older = true
		}
	}
	for i := range allPods {
		of := current(allPods[i].Labels)
		if of != nil && of.job != nil && belongsTo(&allPods[i], of.job) && (of.pod == nil || isNewer(&allPods[i], of.pod)) {
			of.pod = &allPods[i]
		}
	}
	return found
}

func belongsTo(pod *corev1.Pod, job *batchv1.Job) bool { return ownedBy(pod, job.UID) }

func ownedBy(pod *corev1.Pod, job types.UID) bool {
	for _, owner := range pod.OwnerReferences {
		if owner.UID == job {
			return true
		}
	}
	return false
}

// isNewer prefers a pod that stays to one that goes, and then the younger one.
func isNewer(pod, than *corev1.Pod) bool {
	if goes, thanGoes := pod.DeletionTimestamp != nil, than.DeletionTimestamp != nil; goes != thanGoes {
		return thanGoes
	}
	return cmp.Or(pod.CreationTimestamp.Compare(than.CreationTimestamp.Time), strings.Compare(pod.Name, than.Name)) > 0
}

// find collects the objects of one service, together with those of others that are looked for at the same time.
func (c *connection) find(ctx context.Context, name, service string) (*parts, error) {
	found, err := c.found.in(name).ask(ctx, service, func(ctx context.Context, wanted []string) (map[string]*parts, error) {
		return c.collect(ctx, name, wanted...)
	})
	if err != nil {
		return nil, fmt.Errorf("service %q in enclave %q: %w", service, name, err)
	}
	if found[service] == nil {
		return nil, fmt.Errorf("service %q in enclave %q: %w", service, name, enclave.ErrNotFound)
	}
	// Others may have been told the same.
	of := *found[service]
	return &of, nil
}

// Service implements enclave.Services.
func (b *Backend) Service(ctx context.Context, name, service string) (*enclave.Service, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	of, err := conn.find(ctx, name, service)
	if err != nil {
		return nil, err
	}
	return b.serviceOf(ctx, conn, of)
}

// serviceOf says what its objects tell of a service.
func (b *Backend) serviceOf(ctx context.Context, conn *connection, of *parts) (*enclave.Service, error) {
	object := of.service
	service := &enclave.Service{
		Name: object.Name, Run: object.Annotations[enclave.LabelRun], Owner: object.Annotations[enclave.LabelOwner], Digest: object.Annotations[enclave.LabelDigest],
		ID: object.Labels[labelGeneration], Image: object.Annotations[annotationImage], ImageID: object.Annotations[annotationImageID],
		Hostname: object.Name, IPAddress: object.Spec.ClusterIP, Ports: map[string]enclave.PublishedPort{}, Task: object.Labels[enclave.LabelRole] == roleTask,
	}
	var err error
	if service.CreatedAt, err = time.Parse(time.RFC3339Nano, object.Annotations[annotationCreatedAt]); err != nil {
		return nil, fmt.Errorf("service %q: annotation %s: %w", object.Name, annotationCreatedAt, err)
	}
	declared := map[string]plan.Port{}
	for key, target := range map[string]any{annotationPorts: &declared, annotationAliases: &service.Aliases} {
		if err := json.Unmarshal([]byte(object.Annotations[key]), target); err != nil {
			return nil, fmt.Errorf("service %q: annotation %s: %w", object.Name, key, err)
		}
	}
	for id, port := range declared {
		service.Ports[id] = enclave.PublishedPort{Port: port}
	}
	if err := b.publish(ctx, conn, of, service.Ports); err != nil {
		return nil, err
	}
	of.describe(service)
	return service, nil
}

func nodePort(exposed *corev1.Service, port plan.Port) int {
	return exposedPort(exposed, port, func(item *corev1.ServicePort) int32 { return item.NodePort })
}

// exposedPort is the number under which a Service publishes a port; 0 if it does not.
func exposedPort(exposed *corev1.Service, port plan.Port, number func(*corev1.ServicePort) int32) int {
	if exposed == nil {
		return 0
	}
	for i := range exposed.Spec.Ports {
		if exposed.Spec.Ports[i].Name == portName(port) {
			return int(number(&exposed.Spec.Ports[i]))
		}
	}
	return 0
}

func (b *Backend) nodeAddress(ctx context.Context, conn *connection) (string, error) {
	if b.options.NodeAddress != "" {
		return b.options.NodeAddress, nil
	}
	facts, err := b.nodeDetails(ctx, conn)
	if err != nil {
		return "", err
	}
	return facts.address, nil
}

// describe adds the state. A service is what its pod is; without one it is on its way, was stopped, or never started.
func (p *parts) describe(service *enclave.Service) {
	stopped := p.service.Annotations[annotationState] == stateStopped
	switch {
	case p.service.DeletionTimestamp != nil:
		service.State = enclave.StateRemoving
	case p.job == nil && stopped:
		service.State = enclave.StateStopped
	case p.job == nil:
		service.State = enclave.StateCreated
	case p.pod == nil:
		p.describeJob(service)
	default:
		p.describePod(service)
	}
	if stopped && service.State == enclave.StateExited {
		service.State, service.ExitCode, service.OutOfMemory = enclave.StateStopped, 0, false
	}
}

// describeJob tells what is known when the pod itself is not there any more, or not yet.
func (p *parts) describeJob(service *enclave.Service) {
	service.State = enclave.StateStarting
	for _, condition := range p.job.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			continue
		}
		switch condition.Type {
		case batchv1.JobComplete:
			service.State = enclave.StateExited
		case batchv1.JobFailed:
			service.State, service.ExitCode = enclave.StateExited, 1
		case batchv1.JobSuspended, batchv1.JobFailureTarget, batchv1.JobSuccessCriteriaMet:
		}
	}
}

func (p *parts) describePod(service *enclave.Service) {
	service.State = enclave.StateStarting
	status := containerStatus(p.pod, containerService)
	if status == nil {
		if p.pod.Status.Phase == corev1.PodFailed && !isDisrupted(p.pod) {
			service.State, service.ExitCode = enclave.StateExited, 1
		}
		return
	}
	// One that is evicted or drained is made again, however long its process still runs.
	if running := status.State.Running; running != nil && p.pod.DeletionTimestamp == nil && !isDisrupted(p.pod) {
		service.State, service.StartedAt = enclave.StateRunning, running.StartedAt.UTC()
	}
	ended := status.State.Terminated
	if ended == nil {
		return
	}
	service.StartedAt = ended.StartedAt.UTC()
	if p.pod.DeletionTimestamp != nil || isDisrupted(p.pod) {
		return // It was evicted or drained, and is made again.
	}
	service.State, service.ExitCode, service.OutOfMemory = enclave.StateExited, int(ended.ExitCode), ranOutOfMemory(p.pod, ended)
}

// reasonOOM is how Kubernetes says that a container was killed for its memory.
const reasonOOM = "OOMKilled"

// killedCode is the exit code of a process that was killed.
const killedCode = 137

// ranOutOfMemory tells whether the service of a pod that nobody asked to end was killed for its memory. A busy container runtime
// can miss the kernel's notice, as it goes with the container; but then the node itself kills nothing either, so that a process
// with a bound that was killed went over it.
func ranOutOfMemory(pod *corev1.Pod, ended *corev1.ContainerStateTerminated) bool {
	if ended.Reason == reasonOOM {
		return true
	}
	i := slices.IndexFunc(pod.Spec.Containers, func(container corev1.Container) bool { return container.Name == containerService })
	return ended.ExitCode == killedCode && i >= 0 && !pod.Spec.Containers[i].Resources.Limits.Memory().IsZero()
}

func containerStatus(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for _, all := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		if i := slices.IndexFunc(all, func(status corev1.ContainerStatus) bool { return status.Name == name }); i >= 0 {
			return &all[i]
		}
	}
	return nil
}

func isDisrupted(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
		return condition.Type == corev1.DisruptionTarget && condition.Status == corev1.ConditionTrue
	})
}

// running gives the objects of a service that runs.
func (b *Backend) running(ctx context.Context, conn *connection, name, service string) (*parts, error) {
	of, err := conn.find(ctx, name, service)
	if err != nil {
		return nil, err
	}
	found := &enclave.Service{}
	of.describe(found)
	if found.State != enclave.StateRunning {
		return nil, found.NotRunning()
	}
	return of, nil
}

func isConflict(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }
