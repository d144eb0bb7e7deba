package enclave

import (
	"context"
	"encoding/json"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Policy is what bounds an enclave in a cluster that many share, and what holds for all services in it. A backend on one
// machine has nothing of the kind and passes it over. The zero value is an enclave that is isolated and has no other bounds.
type Policy struct {
	// Open lets the pods of other namespaces reach the services, which is refused otherwise where the cluster enforces it.
	Open bool `json:"open,omitempty"`
	// Quota bounds what all services take together: amounts by resource, in the words of a ResourceQuota.
	Quota map[string]string `json:"quota,omitempty"`
	// Limits are bounds and defaults of each container.
	Limits *Limits `json:"limits,omitempty"`
	// PodSecurity is a level of the pod security standards; empty leaves it to the cluster.
	PodSecurity string `json:"pod_security,omitempty"`
	// ServiceAccount is whom pods run as; empty means nobody: they then get no token.
	ServiceAccount string `json:"service_account,omitempty"`
	// Annotations of the namespace. Its labels are those of the enclave.
	Annotations map[string]string `json:"annotations,omitempty"`
	// PodLabels and PodAnnotations are put on every pod. What Sundog or a package says itself goes before.
	PodLabels      map[string]string `json:"pod_labels,omitempty"`
	PodAnnotations map[string]string `json:"pod_annotations,omitempty"`
	// NodeSelectors and Tolerations are added to those of every service.
	NodeSelectors map[string]string `json:"node_selectors,omitempty"`
	Tolerations   []plan.Toleration `json:"tolerations,omitempty"`
}

// Limits are bounds and defaults of each container: amounts by resource, in the words of a LimitRange.
type Limits struct {
	Default        map[string]string `json:"default,omitempty"`
	DefaultRequest map[string]string `json:"default_request,omitempty"`
	Min            map[string]string `json:"min,omitempty"`
	Max            map[string]string `json:"max,omitempty"`
}

// The levels of the pod security standards.
const (
	PodSecurityPrivileged = "privileged"
	PodSecurityBaseline   = "baseline"
	PodSecurityRestricted = "restricted"
)

// Equal tells whether two policies say the same; nil says what the zero value says.
func (p *Policy) Equal(other *Policy) bool { return p.text() == other.text() }

func (p *Policy) text() string {
	if p == nil {
		p = &Policy{}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err.Error() // It holds nothing that could fail.
	}
	return string(text)
}

// Admitting is a Backend that can tell beforehand that an enclave will not take a service.
type Admitting interface {
	// Admit gives for each service the reason why it will not be taken, or nil. An error tells that it could not be asked.
	Admit(ctx context.Context, enclave string, specs []plan.ServiceSpec) (refusals []error, err error)
}
