package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

var _ enclave.Admitting = (*Backend)(nil)

// Admit implements enclave.Admitting. It looks at the service and at the level of pod security that the namespace
// enforces; what an image brings along only the node sees.
func (b *Backend) Admit(ctx context.Context, name string, specs []plan.ServiceSpec) ([]error, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	namespace, err := get[corev1.Namespace](ctx, conn, namespaces, "", namespaceName(name))
	if apierrors.IsNotFound(err) {
		return nil, noEnclave(name)
	}
	if err != nil {
		return nil, fmt.Errorf("enclave %q: %w", name, err)
	}
	level := namespace.Labels[labelPodSecurity]
	refusals := make([]error, len(specs))
	for i := range specs {
		if refusals[i] = checkSpec(specs[i]); refusals[i] == nil {
			refusals[i] = refusal(level, &specs[i])
		}
	}
	return refusals, nil
}

// baselineCapabilities are those that the level baseline lets a container have.
var baselineCapabilities = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// restrictedCapabilities are those that the level restricted does.
var restrictedCapabilities = []string{"NET_BIND_SERVICE"}

// refusal tells what a service asks for that a level of pod security does not allow; nil if there is nothing.
func refusal(level string, spec *plan.ServiceSpec) error {
	var asked []string
	switch level {
	case enclave.PodSecurityBaseline:
		asked = beyondBaseline(spec, baselineCapabilities)
	case enclave.PodSecurityRestricted:
		asked = append(beyondBaseline(spec, restrictedCapabilities), beyondRestricted(spec)...)
	}
	if len(asked) == 0 {
		return nil
	}
	return fmt.Errorf("the enclave's pod security level is %q, and the service asks for more: %s. Leave that out of the package, or set a wider kubernetes.pod_security on the enclave", level, strings.Join(asked, "; "))
}

func beyondBaseline(spec *plan.ServiceSpec, capabilities []string) []string {
	var asked []string
	if spec.Privileged {
		asked = append(asked, "privileged")
	}
	if spec.HostPIDNamespace {
		asked = append(asked, "host_pid_namespace")
	}
	for _, source := range slices.Sorted(maps.Keys(spec.BindMounts)) {
		asked = append(asked, "bind_mounts of the node's "+source)
	}
	for _, capability := range spec.Capabilities {
		if !slices.Contains(capabilities, strings.TrimPrefix(capability, "CAP_")) {
			asked = append(asked, "the capability "+capability)
		}
	}
	return asked
}

func beyondRestricted(spec *plan.ServiceSpec) []string {
	var asked []string
	if spec.User != nil && spec.User.UID == 0 {
		asked = append(asked, "the user 0 (root)")
	}
	for _, mountPath := range slices.Sorted(maps.Keys(spec.Files)) {
		owner := spec.Files[mountPath].Owner
		if owner == nil || spec.User != nil && spec.User.UID == owner.UID {
			continue
		}
		asked = append(asked, fmt.Sprintf("files at %s that belong to the user %d and not to the service's own, which takes an init container that runs as root", mountPath, owner.UID))
	}
	return asked
}

// restrict makes a container conform to the level restricted.
func restrict(container *corev1.Container) {
	security := container.SecurityContext
	if security == nil {
		security = &corev1.SecurityContext{}
	}
	if container.Name == containerOwners {
		// It does as the service's user what it otherwise does as root: admit has seen that this is enough.
		security.RunAsUser, security.RunAsGroup = nil, nil
	}
	security.AllowPrivilegeEscalation = new(false)
	if security.Capabilities == nil {
		security.Capabilities = &corev1.Capabilities{}
	}
	security.Capabilities.Drop = []corev1.Capability{"ALL"}
	container.SecurityContext = security
}

// nonRootRemedy is added to the node's refusal of images whose user is root, or is not a number.
const nonRootRemedy = "\nThe enclave's pod security level is \"restricted\", under which no process runs as root: give the service a user in the package, " +
	"user = User(uid = 1000), build the image for one, or set kubernetes.pod_security = \"baseline\" on the enclave"

// volumeRemedy is added where the agent could not make the service's directory in a volume, and may not be root to do so.
func volumeRemedy(pod *corev1.Pod, container, lines string) string {
	security := pod.Spec.SecurityContext
	if container != containerFiles || security == nil || security.RunAsNonRoot == nil || !strings.Contains(lines, persistentFolder) || !strings.Contains(lines, "permission denied") {
		return ""
	}
	return "\nThe volume belongs to root, its kind cannot be given to a group (fsGroup), and under the pod security level \"restricted\" nothing runs as root that could open it: " +
		"choose another kubernetes.storage_class in the provider block, or set kubernetes.pod_security = \"baseline\" on the enclave"
}
