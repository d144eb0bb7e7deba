package kubernetes

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// An artifact that is too large for the cluster's database is a file in the enclave's store: one volume, which the agent
// serves from a pod of its own. The init containers of services fetch from there, so a service may run on another node than
// the volume is attached to, and its pod comes back without anybody who brings its files. The store's pod needs an image,
// and any will do: it runs in one of the plan's.

const (
	storeObject  = "sundog-store"           // the name of its Service, its Secret and its pod's host
	storeService = "sundog.store"           // its value of enclave.LabelService, which no service can have as its name
	storeKey     = "sundog.dev/store"       // the key of its persistent directory
	storeFolder  = "/.sundog/store"         // where its pod has that
	storeSecrets = "/.sundog/store-keys"    //nolint:gosec // It is a path: where its pod has its Secret
	storeVolume  = artifactVolume + "store" // its Secret in pods; init containers have it where they have artifacts
	storePort    = 9096                     // see the package agent

	storeToken   = "token"
	storeAddress = "address"

	// storeUser is whom the store runs as, whatever its image says.
	storeUser int64 = 65532
	// defaultArtifactStorageMB is the volume's size.
	defaultArtifactStorageMB = 10240
)

// annotationStore of an artifact's Secret tells that the artifact is in the store, on the volume of this identifier.
const annotationStore = enclave.LabelPrefix + "store"

// artifactStore is the store of one enclave, which runs.
type artifactStore struct {
	pod    *corev1.Pod
	volume string // the identifier of its volume
}

// errNoStoreImage tells that nobody knows an image.
var errNoStoreImage = errors.New("it is too large for the cluster's database, so it is kept in a volume; the pod for that runs in an image of one of the enclave's services, and none is known: store it together with a service, or after one")

// ensureStore brings the store of an enclave up, and makes what is missing of it.
func (b *Backend) ensureStore(ctx context.Context, conn *connection, name string) (*artifactStore, error) {
	b.storing.Lock()
	defer b.storing.Unlock()
	store, err := b.bringUpStore(ctx, conn, name)
	if err != nil {
		return nil, fmt.Errorf("bring up the enclave's store of files artifacts: %w", err)
	}
	return store, nil
}

func (b *Backend) bringUpStore(ctx context.Context, conn *connection, name string) (*artifactStore, error) {
	namespace := namespaceName(name)
	watching := b.pods.join(conn, namespace)
	defer b.pods.leave(watching)
	fresh, err := conn.placeStore(ctx, name)
	if err != nil {
		return nil, err
	}
	left, err := list[batchv1.Job](ctx, conn, jobs, namespace, ofService(storeService))
	if err != nil {
		return nil, err
	}
	volume, err := conn.storeVolume(ctx, name)
	if err != nil {
		return nil, err
	}
	running := slices.IndexFunc(left, func(job batchv1.Job) bool { return job.DeletionTimestamp == nil && !isOver(&job) })
	if running < 0 || volume == "" || fresh {
		// A volume that is to go goes when nobody uses it, and a pod knows the Secret with which it was started.
		if err := conn.removeAll(ctx, jobs, namespace, ofService(storeService), deletion{}); err != nil {
			return nil, err
		}
		if err := conn.endPods(ctx, namespace, ofService(storeService), nil); err != nil {
			return nil, err
		}
		if err := conn.removeAll(ctx, secrets, namespace, ofService(storeService), deletion{}); err != nil {
			return nil, err
		}
		made, err := b.makeStore(ctx, conn, name)
		if err != nil {
			return nil, err
		}
		left, running = []batchv1.Job{*made}, 0
		if volume, err = conn.storeVolume(ctx, name); err != nil {
			return nil, err
		}
	}
	waiter := &startWaiter{conn: conn, namespace: namespace, service: storeService, generation: left[running].Labels[labelGeneration], job: left[running].UID, pods: watching}
	return b.awaitStore(ctx, waiter, volume)
}

// awaitStore waits until the store's pod runs.
func (b *Backend) awaitStore(ctx context.Context, waiter *startWaiter, volume string) (*artifactStore, error) {
	waiter.pods = b.pods.join(waiter.conn, waiter.namespace)
	defer b.pods.leave(waiter.pods)
	for deadline := time.Now().Add(storeReturn); ; {
		pod, err := waiter.wait(ctx, &b.pods)
		if err != nil {
			return nil, err
		}
		if status := containerStatus(pod, containerService); status != nil && status.State.Running != nil {
			return &artifactStore{pod, volume}, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("its pod %s has ended, and Kubernetes makes no other one", pod.Name)
		}
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

// storeReturn is how long Kubernetes may take to make a pod anew that was evicted.
const storeReturn = 2 * time.Minute

// isOver tells whether Kubernetes makes no further pod for a Job.
func isOver(job *batchv1.Job) bool {
	return slices.ContainsFunc(job.Status.Conditions, func(condition batchv1.JobCondition) bool {
		return condition.Status == corev1.ConditionTrue && (condition.Type == batchv1.JobFailed || condition.Type == batchv1.JobComplete)
	})
}

// storeVolume gives the identifier of the store's volume; empty if there is none, or one that is to go.
func (c *connection) storeVolume(ctx context.Context, name string) (string, error) {
	claim, err := get[corev1.PersistentVolumeClaim](ctx, c, claims, namespaceName(name), claimName(storeKey))
	if err != nil {
		return "", ignoreMissing(err)
	}
	if claim.DeletionTimestamp != nil {
		return "", nil
	}
	return string(claim.UID), nil
}

// placeStore makes the store's Service, and the Secret with which it is found and asked. Fresh tells that nobody knows that yet.
func (c *connection) placeStore(ctx context.Context, name string) (fresh bool, err error) {
	namespace := namespaceName(name)
	labels := objectLabels(name, roleStore, map[string]string{enclave.LabelService: storeService})
	service, err := apply[corev1.Service](ctx, c, services, namespace, storeObject, map[string]any{
		"metadata": map[string]any{"labels": labels},
		"spec": map[string]any{
			"type": "ClusterIP", "selector": map[string]string{enclave.LabelService: storeService},
			"ports": []map[string]any{{"name": "store", "port": storePort, "targetPort": storePort, "protocol": "TCP"}},
		},
	})
	if err != nil {
		return false, inEnclave(name, err)
	}
	address, err := hexAddress(service.Spec.ClusterIP)
	if err != nil {
		return false, err
	}
	var random [24]byte
	_, _ = rand.Read(random[:]) // It never fails (crypto/rand).
	wanted := &corev1.Secret{
		TypeMeta: secrets.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: storeObject, Labels: objectLabels(name, roleStore)},
		Data: map[string][]byte{storeToken: []byte(hex.EncodeToString(random[:])), storeAddress: []byte(address)},
	}
	there, err := get[corev1.Secret](ctx, c, secrets, namespace, storeObject)
	if apierrors.IsNotFound(err) {
		_, err = create(ctx, c, secrets, namespace, wanted)
		if apierrors.IsAlreadyExists(err) {
			return false, nil // Somebody else has made the same.
		}
		return true, inEnclave(name, err)
	}
	if err != nil || string(there.Data[storeAddress]) == address {
		return false, err
	}
	// Somebody has removed the Service, and the new one has another address.
	there.TypeMeta, there.Data[storeAddress] = secrets.typeMeta(), []byte(address)
	_, err = replace(ctx, c, secrets, namespace, storeObject, there)
	return false, err
}

// makeStore makes the store's volume and the Job that serves it.
func (b *Backend) makeStore(ctx context.Context, conn *connection, name string) (*batchv1.Job, error) {
	image, err := conn.storeImage(ctx, name)
	if err != nil {
		return nil, err
	}
	image.ID = cmp.Or(image.ID, image.Name)
	size := b.options.ArtifactStorageMB
	if size == 0 {
		size = defaultArtifactStorageMB
	}
	request := enclave.ServiceRequest{Image: image, Spec: plan.ServiceSpec{
		Name: storeService, Image: plan.Image{Name: image.Name}, User: &plan.User{UID: storeUser, GID: new(storeUser)}, NoInit: true,
		Entrypoint: []string{agentProgram}, Cmd: []string{"store", "serve", storeFolder, strconv.Itoa(storePort), storeSecrets + "/" + storeToken},
		Files: map[string]plan.Mount{storeFolder: {PersistentKey: storeKey, SizeMB: size}},
	}}
	work := &workload{enclave: name, generation: newGeneration(), request: request, options: b.options}
	architecture, pinned, err := b.architecture(ctx, conn, request)
	if err != nil {
		return nil, err
	}
	if pinned {
		work.architecture = architecture
	}
	if work.agent, work.agentData, err = conn.installAgent(ctx, name, architecture); err != nil {
		return nil, err
	}
	if work.pull, err = b.pulling(ctx, conn, image.ID, nil); err != nil {
		return nil, err
	}
	if err := conn.placePullSecret(ctx, work); err != nil {
		return nil, err
	}
	if err := conn.makeClaims(ctx, work, nil); err != nil {
		return nil, err
	}
	job, err := work.storeJob()
	if err != nil {
		return nil, err
	}
	if err := conn.applyPodPolicy(ctx, name, job); err != nil {
		return nil, err
	}
	made, err := create(ctx, conn, jobs, namespaceName(name), job)
	return made, inEnclave(name, err)
}

// storeImage chooses the image in which the store runs: one of the plan's, else one of a service that is there.
func (c *connection) storeImage(ctx context.Context, name string) (enclave.Image, error) {
	if known := enclave.ImagesOf(ctx); len(known) > 0 {
		return known[0], nil
	}
	there, err := list[corev1.Service](ctx, c, services, namespaceName(name), ofRole(roleService, roleTask))
	if err != nil {
		return enclave.Image{}, err
	}
	for i := range there {
		if image := there[i].Annotations[annotationImage]; image != "" {
			return enclave.Image{Name: image, ID: there[i].Annotations[annotationImageID]}, nil
		}
	}
	return enclave.Image{}, errNoStoreImage
}

// storeJob is a service's Job that is never over: whatever becomes of its pod, it is made again.
func (w *workload) storeJob() (*batchv1.Job, error) {
	job, err := w.job(nil)
	if err != nil {
		return nil, err
	}
	job.Spec.PodFailurePolicy.Rules = append(job.Spec.PodFailurePolicy.Rules, batchv1.PodFailurePolicyRule{
		Action: batchv1.PodFailurePolicyActionIgnore,
		OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
			ContainerName: new(containerService), Operator: batchv1.PodFailurePolicyOnExitCodesOpNotIn, Values: []int32{0},
		},
	})
	pod := &job.Spec.Template.Spec
	pod.Hostname = storeObject
	pod.Volumes = append(pod.Volumes, storeSecretVolume(storeVolume))
	pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{Name: storeVolume, MountPath: storeSecrets, ReadOnly: true})
	for _, containers := range [][]corev1.Container{pod.Containers, pod.InitContainers} {
		for i := range containers {
			containers[i].Resources = guardResources()
		}
	}
	for _, labels := range []map[string]string{job.Labels, job.Spec.Template.Labels} {
		labels[enclave.LabelRole] = roleStore
	}
	return job, nil
}

func storeSecretVolume(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: storeObject, DefaultMode: new(int32(0o444))}}}
}

// fetchWords have the agent fetch an artifact from the store and unpack it into a folder.
func (w *workload) fetchWords(pod *corev1.PodSpec, file, folder string) []string {
	if !slices.ContainsFunc(pod.Volumes, func(volume corev1.Volume) bool { return volume.Name == storeVolume }) {
		pod.Volumes = append(pod.Volumes, storeSecretVolume(storeVolume))
	}
	return []string{"fetch", file, folder}
}
