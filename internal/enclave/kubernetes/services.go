package kubernetes

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// CreateService implements enclave.Services. A service is a Service, which has its name and address and tells all about
// it, and a Secret with the Job that runs it; the Job itself is made when it is started. Both belong to one generation:
// the Secret of a new one is there before the Service names it, and what is of an older one is removed afterwards. So a
// kill at any time leaves either the old service or the new one.
func (b *Backend) CreateService(ctx context.Context, name string, request enclave.ServiceRequest) (*enclave.Service, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	service, err := b.createService(ctx, conn, name, request)
	if err != nil {
		return nil, fmt.Errorf("create service %q in enclave %q: %w", request.Spec.Name, name, err)
	}
	return service, nil
}

func (b *Backend) createService(ctx context.Context, conn *connection, name string, request enclave.ServiceRequest) (*enclave.Service, error) {
	if err := checkSpec(request.Spec); err != nil {
		return nil, err
	}
	work := &workload{enclave: name, generation: newGeneration(), request: request, options: b.options}
	work.nameLasting()
	before, err := b.gatherFor(ctx, conn, work)
	if err != nil {
		return nil, err
	}
	if err := conn.makeClaims(ctx, work, nil); err != nil {
		return nil, err
	}
	var exposedBefore exposedAs
	if before != nil {
		if exposedBefore, err = exposedIn(before); err != nil {
			return nil, err
		}
	}
	made, err := conn.placeService(ctx, work, before)
	if err != nil {
		return nil, errors.Join(err, conn.undo(ctx, work, before))
	}
	exposed, err := conn.expose(ctx, work.publication(), exposedBefore)
	if err != nil {
		return nil, errors.Join(err, conn.undo(ctx, work, before))
	}
	if before != nil {
		if err := conn.retire(ctx, work, before); err != nil {
			return nil, fmt.Errorf("remove what is replaced: %w", err)
		}
	}
	return b.serviceOf(ctx, conn, &parts{service: made, exposed: exposed})
}

// gatherFor fills in what a workload takes from the enclave, and gives the service that it replaces. All of it is looked up at
// the same time, and so is the agent brought into an enclave that is new.
func (b *Backend) gatherFor(ctx context.Context, conn *connection, work *workload) (before *corev1.Service, err error) {
	name, request := work.enclave, work.request
	group, groupContext := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		before, err = conn.predecessor(groupContext, name, request)
		return err
	})
	group.Go(func() (err error) {
		work.exposure, work.isolated, err = b.openness(groupContext, conn, name)
		return err
	})
	group.Go(func() (err error) {
		work.artifacts, err = b.findArtifacts(groupContext, conn, name, request)
		return err
	})
	// What other services will be told, too, is not broken off by a failure of this one.
	group.Go(func() (err error) {
		work.pull, err = b.pulling(ctx, conn, request.Image.ID, request.Spec.Image.Registry)
		return err
	})
	group.Go(func() error {
		architecture, pinned, err := b.architecture(ctx, conn, request)
		if err != nil {
			return err
		}
		if pinned {
			work.architecture = architecture
		}
		work.agent, work.agentData, err = b.ensureAgent(ctx, conn, name, architecture)
		return err
	})
	err = group.Wait()
	return before, err
}

// checkSpec refuses what a pod cannot have.
func checkSpec(spec plan.ServiceSpec) error {
	for id := range spec.PublicPorts {
		if _, declared := spec.Ports[id]; !declared {
			return fmt.Errorf("public_ports names port %q, which is not among the service's ports (%s)", id, strings.Join(slices.Sorted(maps.Keys(spec.Ports)), ", "))
		}
	}
	switch {
	case len(spec.Devices) > 0:
		return fmt.Errorf("devices (%s) cannot be given to a service on Kubernetes: use a device plugin's resource, or the backend docker", strings.Join(spec.Devices, ", "))
	case spec.GPU != nil && len(spec.GPU.Ulimits) > 0:
		return errors.New("gpu.ulimits cannot be set on Kubernetes, which has no such setting: set them in the image's entry point, or use the backend docker")
	case spec.GPU != nil && len(spec.GPU.DeviceIDs) > 0:
		return errors.New("gpu.device_ids cannot be chosen on Kubernetes, whose device plugins choose themselves: give gpu.count")
	case spec.GPU != nil && spec.GPU.Count < 0:
		return errors.New("gpu.count = -1, for all, cannot be asked for on Kubernetes, where nobody knows the node beforehand: give a number")
	}
	return nil
}

// predecessor finds the service that is replaced, or the address that was kept of one; nil if there is none.
func (c *connection) predecessor(ctx context.Context, name string, request enclave.ServiceRequest) (*corev1.Service, error) {
	before, err := get[corev1.Service](ctx, c, services, namespaceName(name), request.Spec.Name)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // There is none. Whether there is an enclave tells what is made next.
	}
	if err != nil {
		return nil, err
	}
	switch before.Labels[enclave.LabelRole] {
	case roleService, roleTask:
	case roleReserved:
		return before, nil
	case roleAlias:
		return nil, fmt.Errorf("its name is an alias of service %q: choose another one of the two", before.Labels[enclave.LabelService])
	default:
		return nil, fmt.Errorf("a Service of its name is in namespace %q and was not made by Sundog: remove it, or give the service another name", before.Namespace)
	}
	if run := before.Annotations[enclave.LabelRun]; run != request.Run {
		return nil, &enclave.OwnedError{Kind: "service", Name: request.Spec.Name, Run: run, CreatedAt: before.CreationTimestamp.Time}
	}
	return before, nil
}

// storedArtifact is where an artifact is: in parts, or a file of the store.
type storedArtifact struct {
	object, generation string
	parts              int
	file               string
}

// findArtifacts looks up what a service mounts, by digest.
func (b *Backend) findArtifacts(ctx context.Context, conn *connection, name string, request enclave.ServiceRequest) (map[string]storedArtifact, error) {
	mounted := false
	for _, mount := range request.Spec.Files {
		mounted = mounted || len(mount.Mounted()) > 0
	}
	found := map[string]storedArtifact{}
	if !mounted {
		return found, nil
	}
	stored, err := conn.wholeArtifacts(ctx, name)
	if err != nil {
		return nil, err
	}
	large := false
	for _, mountPath := range slices.Sorted(maps.Keys(request.Spec.Files)) {
		for _, artifact := range request.Spec.Files[mountPath].Mounted() {
			digest, known := request.Artifacts[artifact]
			if !known {
				return nil, fmt.Errorf("files at %s: artifact %q is not known", mountPath, artifact)
			}
			item, there := stored[digest]
			if !there {
				return nil, fmt.Errorf("files at %s: artifact %q: %w", mountPath, artifact, enclave.ErrNotFound)
			}
			count, err := strconv.Atoi(item.Annotations[annotationParts])
			if err != nil {
				return nil, fmt.Errorf("artifact %q: annotation %s: %w", artifact, annotationParts, err)
			}
			found[digest] = storedArtifact{object: item.Name, generation: item.Labels[labelGeneration], parts: count}
			if item.Annotations[annotationStore] != "" {
				large = true
				found[digest] = storedArtifact{file: storedFile(item.ObjectMeta)}
			}
		}
	}
	if large {
		// Whoever has removed a part of the store did it no good; a pod would wait for it.
		if _, err := b.ensureStore(enclave.WithImages(ctx, []enclave.Image{request.Image}), conn, name); err != nil {
			return nil, err
		}
	}
	return found, b.checkMoves(ctx, conn, name, request)
}

// checkMoves makes sure that files which are to be moved are there.
func (b *Backend) checkMoves(ctx context.Context, conn *connection, name string, request enclave.ServiceRequest) error {
	for _, source := range slices.Sorted(maps.Keys(request.Spec.FilesToBeMoved)) {
		mountPath, below, found := mountOf(request.Spec, source)
		if !found || request.Spec.Files[mountPath].PersistentKey != "" {
			continue
		}
		there := below == ""
		for _, artifact := range request.Spec.Files[mountPath].Artifacts {
			if there {
				break
			}
			var err error
			if there, err = b.artifactHas(ctx, conn, name, request.Artifacts[artifact], below); err != nil {
				return fmt.Errorf("move %s: artifact %q: %w", source, artifact, err)
			}
		}
		if !there {
			return fmt.Errorf("move %s to %s: there is no such file in what is mounted at %s", source, request.Spec.FilesToBeMoved[source], mountPath)
		}
	}
	return nil
}

func (b *Backend) artifactHas(ctx context.Context, conn *connection, name, digest, file string) (bool, error) {
	stream, err := b.artifact(ctx, conn, name, digest)
	if err != nil {
		return false, err
	}
	defer stream.Close() //nolint:errcheck // It was only read.
	archive := tar.NewReader(stream)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if entry := path.Clean(header.Name); entry == file || strings.HasPrefix(entry, file+"/") {
			return true, nil
		}
	}
}

// mountOf finds the mount that a path is in, and the rest of the path below it.
func mountOf(spec plan.ServiceSpec, file string) (mountPath, below string, found bool) {
	file = path.Clean(file)
	for candidate := range spec.Files {
		rest, inside := strings.CutPrefix(file+"/", strings.TrimSuffix(path.Clean(candidate), "/")+"/")
		if inside && len(candidate) > len(mountPath) {
			mountPath, below, found = candidate, strings.TrimSuffix(rest, "/"), true
		}
	}
	return mountPath, below, found
}

// defaultStorageMB is the size of a persistent directory for which nobody names one.
const defaultStorageMB = 1024

func claimName(key string) string { return hashed("persistent", key) }

// makeClaims makes the volumes of persistent directories. One that is there stays as it is. With the Secret that starts the
// service it makes those that last as long as the service.
func (c *connection) makeClaims(ctx context.Context, work *workload, manifest *corev1.Secret) error {
	for _, mountPath := range slices.Sorted(maps.Keys(work.request.Spec.Files)) {
		mount := work.request.Spec.Files[mountPath]
		if mount.PersistentKey == "" || mount.Lasting != (manifest != nil) {
			continue
		}
		size := mount.SizeMB
		if size == 0 {
			size = work.options.StorageSizeMB
		}
		if size == 0 {
			size = defaultStorageMB
		}
		mode := work.options.AccessMode
		if mode == "" {
			mode = string(corev1.ReadWriteOnce)
		}
		claim := &corev1.PersistentVolumeClaim{
			TypeMeta: claims.typeMeta(),
			ObjectMeta: metav1.ObjectMeta{
				Name: claimName(mount.PersistentKey), Labels: objectLabels(work.enclave, roleVolume), Annotations: map[string]string{annotationName: mount.PersistentKey},
				OwnerReferences: goesWith(manifest),
			},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.PersistentVolumeAccessMode(mode)},
				Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: megabytes(size)}},
			},
		}
		if work.options.StorageClass != "" {
			claim.Spec.StorageClassName = &work.options.StorageClass
		}
		if err := c.makeClaim(ctx, work.enclave, claim); err != nil {
			return fmt.Errorf("make the volume for %s: %w", mountPath, err)
		}
	}
	return nil
}

// placeService writes the Secret and the Service. The service's own address must be known before the Secret is written if
// it is to stand in it; then a new Service is made twice, at first as one that nobody takes for a finished one.
func (c *connection) placeService(ctx context.Context, work *workload, before *corev1.Service) (*corev1.Service, error) {
	namespace := namespaceName(work.enclave)
	service := work.request.Spec.Name
	if before != nil {
		work.address = before.Spec.ClusterIP
	} else if work.needsAddress() {
		draft, err := work.serviceObject(false)
		if err != nil {
			return nil, err
		}
		made, err := apply[corev1.Service](ctx, c, services, namespace, service, draft)
		if err != nil {
			return nil, inEnclave(work.enclave, err)
		}
		work.address = made.Spec.ClusterIP
	}
	manifest, err := work.manifest()
	if err != nil {
		return nil, err
	}
	if manifest, err = create(ctx, c, secrets, namespace, manifest); err != nil {
		return nil, inEnclave(work.enclave, err)
	}
	// Before anybody takes the service for one that can be started.
	if err := c.makeClaims(ctx, work, manifest); err != nil {
		return nil, err
	}
	if err := c.placePullSecret(ctx, work); err != nil {
		return nil, err
	}
	final, err := work.serviceObject(true)
	if err != nil {
		return nil, err
	}
	made, err := apply[corev1.Service](ctx, c, services, namespace, service, final)
	if err != nil {
		return nil, inEnclave(work.enclave, err)
	}
	c.prepared.Store(namespace+"/"+manifest.Name, work.made)
	return made, c.placeAliases(ctx, work)
}

// placeAliases makes a Service for each alias that can name one.
func (c *connection) placeAliases(ctx context.Context, work *workload) error {
	namespace := namespaceName(work.enclave)
	for _, alias := range work.request.Spec.Aliases {
		if !isServiceName(alias) {
			continue
		}
		there, err := get[corev1.Service](ctx, c, services, namespace, aliasName(alias))
		if err == nil && (there.Labels[enclave.LabelRole] != roleAlias || there.Labels[enclave.LabelService] != work.request.Spec.Name) {
			return fmt.Errorf("alias %q: it is the name or an alias of service %q", alias, there.Labels[enclave.LabelService])
		}
		if ignoreMissing(err) != nil {
			return err
		}
		if _, err := apply[corev1.Service](ctx, c, services, namespace, aliasName(alias), work.aliasObject()); err != nil {
			return fmt.Errorf("alias %q: %w", alias, err)
		}
	}
	return nil
}

// undo removes what a failed creation has made.
func (c *connection) undo(ctx context.Context, work *workload, before *corev1.Service) error {
	detached, cancel := detach(ctx)
	defer cancel()
	namespace := namespaceName(work.enclave)
	which := selector(ofService(work.request.Spec.Name), ofGeneration(work.generation))
	if before != nil {
		if before.Labels[enclave.LabelRole] == roleReserved {
			return errors.Join(c.removeAll(detached, secrets, namespace, which, deletion{}), c.reserve(detached, namespace, before.Name))
		}
		current, err := get[corev1.Service](detached, c, services, namespace, before.Name)
		if err != nil || current.Labels[labelGeneration] == work.generation {
			return ignoreMissing(err) // The new one has taken the place; the next attempt replaces it.
		}
		return c.removeAll(detached, secrets, namespace, which, deletion{})
	}
	return errors.Join(c.removeAll(detached, services, namespace, which, deletion{}), c.removeAll(detached, secrets, namespace, which, deletion{}))
}

// retire ends what is of an older generation.
func (c *connection) retire(ctx context.Context, work *workload, before *corev1.Service) error {
	namespace := namespaceName(work.enclave)
	old := selector(ofService(work.request.Spec.Name), notGeneration(work.generation))
	if err := c.removeAll(ctx, jobs, namespace, old, deletion{}); err != nil {
		return err
	}
	if keepsData(before) || work.keepsData() {
		if err := c.endPods(ctx, namespace, old, graceOf(before)); err != nil {
			return err
		}
	} else if err := c.removeAll(ctx, pods, namespace, old, deletion{grace: new(quickEnd)}); err != nil {
		return err
	}
	// Aliases and published ports that the new one has not.
	if err := c.removeAll(ctx, services, namespace, old, deletion{}); err != nil {
		return err
	}
	return c.removeAll(ctx, secrets, namespace, old, deletion{})
}

// labels are those of everything that is made for the service.
func (w *workload) labels(role string) map[string]string {
	more := map[string]string{enclave.LabelService: w.request.Spec.Name, labelGeneration: w.generation}
	if len(validation.IsValidLabelValue(w.request.Run)) == 0 {
		more[enclave.LabelRun] = w.request.Run
	}
	labels := validLabels(w.request.Spec.Labels)
	maps.Copy(labels, objectLabels(w.enclave, role, more))
	return labels
}

func (w *workload) role() string {
	if w.request.Task {
		return roleTask
	}
	return roleService
}

// selector finds the service's pod.
func (w *workload) selector() map[string]string {
	return map[string]string{enclave.LabelService: w.request.Spec.Name, labelGeneration: w.generation}
}

// serviceObject is the Service that tells all about the service. One that is not finished has no digest.
func (w *workload) serviceObject(finished bool) (map[string]any, error) {
	spec := w.request.Spec
	labels := w.labels(w.role())
	for _, alias := range spec.Aliases {
		if !isServiceName(alias) {
			labels[labelDotted] = "true"
		}
	}
	annotations := map[string]string{
		enclave.LabelRun: w.request.Run, enclave.LabelOwner: w.request.Owner, annotationImage: spec.Image.Name, annotationImageID: w.request.Image.ID,
		annotationCreatedAt: time.Now().UTC().Format(time.RFC3339Nano),
	}
	if finished {
		annotations[enclave.LabelDigest] = w.request.Digest
	}
	published, err := w.publication().annotations()
	if err != nil {
		return nil, err
	}
	maps.Copy(annotations, published)
	if w.keepsData() {
		annotations[annotationKeeps] = "true"
	}
	for key, value := range map[string]any{annotationPorts: spec.Ports, annotationAliases: spec.Aliases} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		annotations[key] = string(text)
	}
	return map[string]any{
		"metadata": map[string]any{"labels": labels, "annotations": annotations},
		"spec":     map[string]any{"type": "ClusterIP", "selector": w.selector(), "ports": w.servicePorts(), "publishNotReadyAddresses": true},
	}, nil
}

func (w *workload) aliasObject() map[string]any {
	return map[string]any{
		"metadata": map[string]any{"labels": w.labels(roleAlias)},
		"spec":     map[string]any{"type": "ClusterIP", "selector": w.selector(), "ports": w.servicePorts(), "publishNotReadyAddresses": true},
	}
}

// placeholderPort is declared where a service has no port, as a Service needs one to have an address.
const placeholderPort = 1

func (w *workload) servicePorts() []map[string]any {
	var ports []map[string]any
	seen := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(w.request.Spec.Ports)) {
		port := w.request.Spec.Ports[id]
		name := portName(port)
		if seen[name] {
			continue
		}
		seen[name] = true
		ports = append(ports, map[string]any{"name": name, "port": port.Number, "targetPort": port.Number, "protocol": protocol(port)})
	}
	if len(ports) == 0 {
		ports = append(ports, map[string]any{"name": "none", "port": placeholderPort, "targetPort": placeholderPort, "protocol": "TCP"})
	}
	return ports
}

func protocol(port plan.Port) string {
	if port.Transport == "" {
		return "TCP"
	}
	return strings.ToUpper(port.Transport)
}

func portName(port plan.Port) string {
	return strings.ToLower(protocol(port)) + "-" + strconv.Itoa(port.Number)
}
