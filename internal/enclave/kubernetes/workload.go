package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// The containers of a service's pod.
const (
	containerService = "service"
	containerFiles   = "sundog-files"  // fills the mounts before the service starts
	containerOwners  = "sundog-owners" // fills those that belong to another user than the service's
	containerGuard   = "sundog-guard"  // tells a drained service from one that has ended
)

// stopSeconds is how long a process may take to end when it is asked to.
const stopSeconds int64 = 10

// guardCode is the exit code with which the guard ends when its pod is asked to end (see the package agent).
const guardCode = 96

// manifestField is the Job's place in a service's Secret.
const manifestField = "job.json"

// The folders in which a pod's files are put together.
const (
	filesFolder      = "/.sundog/files"
	artifactsFolder  = "/.sundog/artifacts"
	persistentFolder = "/.sundog/persistent"
	persistentData   = "data" // the directory below a volume's root, which may hold things of the file system
)

// volumeGroup may write to the root of volumes.
const volumeGroup int64 = 65432

const (
	volumeAgent = "sundog-agent"
	volumeFiles = "sundog-files"
)

// workload is a service that is being made.
type workload struct {
	enclave, generation string
	request             enclave.ServiceRequest
	options             Options
	exposure            *enclave.Exposure
	isolated            bool                      // whether the enclave lets nothing in but what is published
	artifacts           map[string]storedArtifact // by digest
	agent, agentData    string                    // the ConfigMaps
	architecture        string                    // to which the pod is kept; empty if any will do
	address             string
	made                *batchv1.Job // once the manifest is made
	pull                *pulling     // nil where there is nothing to tell registries
}

// needsAddress tells whether the service's own address stands in its command or environment.
func (w *workload) needsAddress() bool {
	spec := w.request.Spec
	if spec.IPPlaceholder == "" {
		return false
	}
	holds := func(text string) bool { return strings.Contains(text, spec.IPPlaceholder) }
	for _, value := range spec.Env {
		if holds(value) {
			return true
		}
	}
	for _, value := range spec.VolatileEnv {
		if holds(value) {
			return true
		}
	}
	return slices.ContainsFunc(spec.Entrypoint, holds) || slices.ContainsFunc(spec.Cmd, holds)
}

func (w *workload) keepsData() bool {
	for _, mount := range w.request.Spec.Files {
		if mount.PersistentKey != "" {
			return true
		}
	}
	return false
}

func (w *workload) own(text string) string {
	if w.request.Spec.IPPlaceholder == "" {
		return text
	}
	return strings.ReplaceAll(text, w.request.Spec.IPPlaceholder, w.address)
}

// words are a command. Kubernetes would replace $(NAME) in it; a doubled dollar sign is one that stays.
func (w *workload) words(command []string) []string {
	if len(command) == 0 {
		return nil
	}
	words := make([]string, len(command))
	for i, word := range command {
		words[i] = strings.ReplaceAll(w.own(word), "$", "$$")
	}
	return words
}

// manifest is the Secret from which the service is started: its Job, and the environment, which is nobody's business who
// may only look at pods.
func (w *workload) manifest() (*corev1.Secret, error) {
	spec := w.request.Spec
	name := manifestName(spec.Name, w.generation)
	environment := maps.Clone(spec.Env)
	if environment == nil {
		environment = map[string]string{}
	}
	maps.Copy(environment, spec.VolatileEnv)
	data := map[string][]byte{}
	var variables []corev1.EnvVar
	for i, key := range slices.Sorted(maps.Keys(environment)) {
		field := fmt.Sprintf("env.%d", i)
		data[field] = []byte(w.own(environment[key]))
		variables = append(variables, corev1.EnvVar{Name: key, ValueFrom: &corev1.EnvVarSource{
			SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: field},
		}})
	}
	job, err := w.job(variables)
	if err != nil {
		return nil, err
	}
	w.made = job
	if data[manifestField], err = json.Marshal(job); err != nil {
		return nil, err
	}
	return &corev1.Secret{
		TypeMeta: secrets.typeMeta(), Immutable: new(true), Data: data,
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: w.labels(roleManifest)},
	}, nil
}

// job runs the service once: what ends stays as it ended, whatever the code, with its logs. A pod that was evicted, drained
// or lost with its node is made again, which is not a failure of the service's; never are there two at a time.
func (w *workload) job(variables []corev1.EnvVar) (*batchv1.Job, error) {
	template, err := w.pod(variables)
	if err != nil {
		return nil, err
	}
	rules := []batchv1.PodFailurePolicyRule{{
		Action:          batchv1.PodFailurePolicyActionIgnore,
		OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
	}}
	if w.guarded() {
		rules = append(rules, batchv1.PodFailurePolicyRule{
			Action: batchv1.PodFailurePolicyActionIgnore,
			OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
				ContainerName: new(containerGuard), Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{guardCode},
			},
		})
	}
	return &batchv1.Job{
		TypeMeta:   jobs.typeMeta(),
		ObjectMeta: metav1.ObjectMeta{Name: jobName(w.request.Spec.Name, w.generation), Labels: w.labels(w.role())},
		Spec: batchv1.JobSpec{
			Completions: new(int32(1)), Parallelism: new(int32(1)), BackoffLimit: new(int32(0)),
			PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: rules}, PodReplacementPolicy: new(batchv1.Failed),
			Template: *template,
		},
	}, nil
}

// guarded tells whether a guard stands beside the service. It sees the service's processes only where the pod shares
// them, and a task that is drained cannot go on anyhow.
func (w *workload) guarded() bool {
	return !w.request.Task && !w.request.Spec.NoInit && !w.request.Spec.HostPIDNamespace
}

func (w *workload) pod(variables []corev1.EnvVar) (*corev1.PodTemplateSpec, error) {
	spec := w.request.Spec
	service := corev1.Container{
		Name: containerService, Image: podImage(w.request.Image), ImagePullPolicy: w.pullPolicy(),
		Command: w.words(spec.Entrypoint), Args: w.words(spec.Cmd), WorkingDir: spec.WorkingDir, Env: variables, TTY: spec.TTY,
		Resources: resourcesOf(spec), SecurityContext: securityOf(spec),
	}
	agentMount := corev1.VolumeMount{Name: volumeAgent, MountPath: agentFolder, ReadOnly: true}
	service.VolumeMounts = append(service.VolumeMounts, agentMount)
	pod := corev1.PodSpec{
		Hostname: spec.Name, RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: new(stopSeconds),
		EnableServiceLinks: new(false), AutomountServiceAccountToken: new(false),
		ImagePullSecrets: w.pullReferences(),
		NodeSelector:     maps.Clone(spec.NodeSelectors), Tolerations: tolerationsOf(spec.Tolerations),
		HostPID: spec.HostPIDNamespace, SecurityContext: w.podSecurity(), Volumes: []corev1.Volume{w.agentVolume()},
	}
	if w.architecture != "" {
		if pod.NodeSelector == nil {
			pod.NodeSelector = map[string]string{}
		}
		pod.NodeSelector[archLabel] = w.architecture
	}
	if !spec.NoInit && !spec.HostPIDNamespace {
		// The pod's own first process reaps what the service leaves behind.
		pod.ShareProcessNamespace = new(true)
	}
	if err := w.addFiles(&pod, &service); err != nil {
		return nil, err
	}
	w.addHostMounts(&pod, &service)
	pod.Containers = []corev1.Container{service}
	if w.guarded() {
		pod.Containers = append(pod.Containers, corev1.Container{
			Name: containerGuard, Image: service.Image, ImagePullPolicy: service.ImagePullPolicy, Command: []string{agentProgram, "guard"},
			VolumeMounts: []corev1.VolumeMount{agentMount}, Resources: guardResources(),
		})
	}
	return &corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: w.labels(w.role())}, Spec: pod}, nil
}

func (w *workload) agentVolume() corev1.Volume {
	source := func(name, key string) corev1.VolumeProjection {
		return corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: []corev1.KeyToPath{{Key: key, Path: key}},
		}}
	}
	return corev1.Volume{Name: volumeAgent, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: new(int32(0o555)), Sources: []corev1.VolumeProjection{source(w.agent, agentProgramKey), source(w.agentData, agentDataKey)},
	}}}
}

func (w *workload) pullPolicy() corev1.PullPolicy {
	switch w.request.Image.Policy {
	case enclave.ImageAlways:
		return corev1.PullAlways
	case enclave.ImageNever:
		return corev1.PullNever
	case enclave.ImageMissing:
	}
	return corev1.PullIfNotPresent
}

func (w *workload) podSecurity() *corev1.PodSecurityContext {
	security := &corev1.PodSecurityContext{}
	user := w.request.Spec.User
	if user != nil {
		security.RunAsUser, security.RunAsGroup = &user.UID, user.GID
	}
	if w.keepsData() {
		// A volume belongs to root at first. This lets the service's user, whoever it is, make its directory in it.
		security.FSGroup, security.FSGroupChangePolicy = new(volumeGroup), new(corev1.FSGroupChangeOnRootMismatch)
		if user != nil && user.GID != nil && *user.GID != 0 {
			security.FSGroup = user.GID
		}
	}
	return security
}

func securityOf(spec plan.ServiceSpec) *corev1.SecurityContext {
	security := &corev1.SecurityContext{}
	if spec.Privileged {
		security.Privileged = new(true)
	}
	if len(spec.Capabilities) > 0 {
		security.Capabilities = &corev1.Capabilities{}
		for _, capability := range spec.Capabilities {
			security.Capabilities.Add = append(security.Capabilities.Add, corev1.Capability(strings.TrimPrefix(capability, "CAP_")))
		}
	}
	return security
}

func megabytes(count int64) resource.Quantity {
	return *resource.NewQuantity(count*1_000_000, resource.DecimalSI)
}

// resourcesOf are the service's bounds. Where it names only the most that it may take, nothing is reserved, as on Docker;
// Kubernetes would take the bound for the request.
func resourcesOf(spec plan.ServiceSpec) corev1.ResourceRequirements {
	limits, requests := corev1.ResourceList{}, corev1.ResourceList{}
	if spec.MaxCPU > 0 {
		limits[corev1.ResourceCPU] = *resource.NewMilliQuantity(spec.MaxCPU, resource.DecimalSI)
		requests[corev1.ResourceCPU] = resource.MustParse("0")
	}
	if spec.MinCPU > 0 {
		requests[corev1.ResourceCPU] = *resource.NewMilliQuantity(spec.MinCPU, resource.DecimalSI)
	}
	if spec.MaxMemory > 0 {
		limits[corev1.ResourceMemory] = megabytes(spec.MaxMemory)
		requests[corev1.ResourceMemory] = resource.MustParse("0")
	}
	if spec.MinMemory > 0 {
		requests[corev1.ResourceMemory] = megabytes(spec.MinMemory)
	}
	if gpu := spec.GPU; gpu != nil && gpu.Count > 0 {
		name := corev1.ResourceName("nvidia.com/gpu")
		if gpu.KubernetesDriver != "" {
			name = corev1.ResourceName(gpu.KubernetesDriver)
		}
		limits[name] = *resource.NewQuantity(gpu.Count, resource.DecimalSI)
	}
	return corev1.ResourceRequirements{Limits: limits, Requests: requests}
}

func guardResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1m"), corev1.ResourceMemory: resource.MustParse("8M")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64M")},
	}
}

func tolerationsOf(tolerations []plan.Toleration) []corev1.Toleration {
	var result []corev1.Toleration
	for _, item := range tolerations {
		result = append(result, corev1.Toleration{
			Key: item.Key, Operator: corev1.TolerationOperator(item.Operator), Value: item.Value, Effect: corev1.TaintEffect(item.Effect), TolerationSeconds: item.Seconds,
		})
	}
	return result
}

// place is where a mount is put together: the folder in which the agent sees it, and the volume's path for the service.
type place struct {
	volume, folder, subPath string
}

// addFiles gives the pod its mounts. Each mount of artifacts is a folder of one volume of the pod's own, which the agent
// fills as the service's user, so that the service can write to it.
func (w *workload) addFiles(pod *corev1.PodSpec, service *corev1.Container) error {
	spec := w.request.Spec
	if len(spec.Files) == 0 {
		if len(spec.FilesToBeMoved) > 0 {
			for source, target := range spec.FilesToBeMoved {
				return fmt.Errorf("move %s to %s: it is in nothing that is mounted", source, target)
			}
		}
		return nil
	}
	ordinary, asRoot := w.filler(containerFiles, service), w.filler(containerOwners, service)
	asRoot.SecurityContext = &corev1.SecurityContext{RunAsUser: new(int64(0)), RunAsGroup: new(int64(0))}
	places := map[string]place{}
	sources := map[string]string{} // folders of artifacts, by digest
	persistent := map[string]place{}
	for i, mountPath := range slices.Sorted(maps.Keys(spec.Files)) {
		mount := spec.Files[mountPath]
		filler := ordinary
		if mount.Owner != nil {
			filler = asRoot
		}
		var where place
		if mount.PersistentKey != "" {
			where = w.addPersistent(pod, persistent, mountPath, mount, sources, filler)
			if user := spec.User; mount.Owner == nil && (user == nil || user.UID != 0) {
				// Not every kind of volume can be given a group: then only root may make the service's directory in it.
				asRoot.add("open", path.Dir(where.folder))
			}
		} else {
			where = place{volumeFiles, filesFolder + "/" + strconv.Itoa(i), strconv.Itoa(i)}
			filler.add(ownerWords(mount)...)
			filler.add("folder", where.folder)
			filler.add(w.unpackWords(pod, sources, mount.Artifacts, where.folder)...)
		}
		places[mountPath] = where
		service.VolumeMounts = append(service.VolumeMounts, corev1.VolumeMount{Name: where.volume, MountPath: mountPath, SubPath: where.subPath})
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: volumeFiles, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	for _, source := range slices.Sorted(maps.Keys(spec.FilesToBeMoved)) {
		mountPath, below, found := mountOf(spec, source)
		if !found {
			return fmt.Errorf("move %s to %s: it is in nothing that is mounted", source, spec.FilesToBeMoved[source])
		}
		where := places[mountPath]
		ordinary.add("need", path.Join(where.folder, below))
		service.VolumeMounts = append(service.VolumeMounts, corev1.VolumeMount{
			Name: where.volume, MountPath: path.Clean(spec.FilesToBeMoved[source]), SubPath: path.Join(where.subPath, below),
		})
	}
	for _, filler := range []*filler{asRoot, ordinary} {
		if len(filler.Command) > fillerWords {
			// It sees all that the pod has of files.
			filler.VolumeMounts = append(filler.VolumeMounts, w.fileMounts(pod, persistent)...)
			filler.Command = w.escape(filler.Command)
			pod.InitContainers = append(pod.InitContainers, filler.Container)
		}
	}
	return nil
}

// filler is an init container in which the agent fills mounts.
type filler struct{ corev1.Container }

// fillerWords is how many words the command of a filler without work has.
const fillerWords = 2

func (w *workload) filler(name string, service *corev1.Container) *filler {
	return &filler{corev1.Container{
		Name: name, Image: service.Image, ImagePullPolicy: service.ImagePullPolicy, Resources: service.Resources,
		Command: []string{agentProgram, "files"}, VolumeMounts: []corev1.VolumeMount{{Name: volumeAgent, MountPath: agentFolder, ReadOnly: true}},
	}}
}

func (f *filler) add(words ...string) { f.Command = append(f.Command, words...) }

// ownerWords tell the agent whose the files of a mount are, and what may be done with them.
func ownerWords(mount plan.Mount) []string {
	uid, gid := "-", "-"
	if mount.Owner != nil {
		uid, gid = strconv.FormatInt(mount.Owner.UID, 10), "0"
		if mount.Owner.GID != nil {
			gid = strconv.FormatInt(*mount.Owner.GID, 10)
		}
	}
	return []string{"owner", uid, gid, "mode", strconv.FormatUint(uint64(mount.Mode), 10)}
}

// unpackWords have the agent unpack artifacts into a folder, one over the other.
func (w *workload) unpackWords(pod *corev1.PodSpec, sources map[string]string, artifacts []string, folder string) []string {
	var words []string
	for _, artifact := range artifacts {
		digest := w.request.Artifacts[artifact]
		if file := w.artifacts[digest].file; file != "" {
			words = append(words, w.fetchWords(pod, file, folder)...)
			continue
		}
		if sources[digest] == "" {
			sources[digest] = w.addArtifact(pod, digest, len(sources))
		}
		words = append(words, "unpack", sources[digest], folder)
	}
	return words
}

// fileMounts are the volumes of artifacts, persistent directories and of what is made of them.
func (w *workload) fileMounts(pod *corev1.PodSpec, persistent map[string]place) []corev1.VolumeMount {
	mounts := []corev1.VolumeMount{{Name: volumeFiles, MountPath: filesFolder}}
	for _, where := range persistent {
		mounts = append(mounts, corev1.VolumeMount{Name: where.volume, MountPath: path.Dir(where.folder)})
	}
	for _, volume := range pod.Volumes {
		if number, found := strings.CutPrefix(volume.Name, artifactVolume); found {
			mounts = append(mounts, corev1.VolumeMount{Name: volume.Name, MountPath: artifactsFolder + "/" + number, ReadOnly: true})
		}
	}
	slices.SortFunc(mounts, func(a, b corev1.VolumeMount) int { return strings.Compare(a.MountPath, b.MountPath) })
	return mounts
}

func (w *workload) escape(words []string) []string {
	escaped := make([]string, len(words))
	for i, word := range words {
		escaped[i] = strings.ReplaceAll(word, "$", "$$")
	}
	return escaped
}

// addPersistent mounts a persistent directory. A new one gets its seed, or what the image has at the path.
func (w *workload) addPersistent(pod *corev1.PodSpec, known map[string]place, mountPath string, mount plan.Mount, sources map[string]string, filler *filler) place {
	if where, found := known[mount.PersistentKey]; found {
		return where
	}
	number := strconv.Itoa(len(known))
	where := place{"persistent-" + number, persistentFolder + "/" + number + "/" + persistentData, persistentData}
	known[mount.PersistentKey] = where
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: where.volume, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName(mount.PersistentKey)},
	}})
	filler.add(ownerWords(mount)...)
	filler.add("fresh", where.folder)
	if len(mount.Seed) > 0 {
		filler.add(w.unpackWords(pod, sources, mount.Seed, where.folder)...)
	} else {
		filler.add("copy", mountPath, where.folder)
	}
	filler.add("keep", where.folder)
	return where
}

const artifactVolume = "artifact-"

// addArtifact lets the agent see the parts of an artifact.
func (w *workload) addArtifact(pod *corev1.PodSpec, digest string, number int) string {
	stored := w.artifacts[digest]
	projected := &corev1.ProjectedVolumeSource{DefaultMode: new(int32(0o444))}
	for part := range stored.parts {
		projected.Sources = append(projected.Sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: partName(stored.object, stored.generation, part)},
			Items:                []corev1.KeyToPath{{Key: contentField, Path: fmt.Sprintf("%04d", part)}},
		}})
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: artifactVolume + strconv.Itoa(number), VolumeSource: corev1.VolumeSource{Projected: projected}})
	return artifactsFolder + "/" + strconv.Itoa(number)
}

// addHostMounts gives the pod what it shares with its node.
func (w *workload) addHostMounts(pod *corev1.PodSpec, service *corev1.Container) {
	spec := w.request.Spec
	for i, source := range slices.Sorted(maps.Keys(spec.BindMounts)) {
		volume := "bind-" + strconv.Itoa(i)
		pod.Volumes = append(pod.Volumes, corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: source}}})
		service.VolumeMounts = append(service.VolumeMounts, corev1.VolumeMount{Name: volume, MountPath: spec.BindMounts[source]})
	}
	if spec.GPU != nil && spec.GPU.SharedMemoryMB > 0 {
		size := resource.NewQuantity(spec.GPU.SharedMemoryMB<<20, resource.BinarySI)
		pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "shared-memory", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: size},
		}})
		service.VolumeMounts = append(service.VolumeMounts, corev1.VolumeMount{Name: "shared-memory", MountPath: "/dev/shm"})
	}
}
