package cli

import (
	"maps"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
)

// policyFlags say what an enclave is to be in a cluster. What they do not say stays as it is.
type policyFlags struct {
	given policyValues
	// changed tells which of the flags were given.
	changed func(name string) bool
}

type policyValues struct {
	isolated             bool
	podSecurity, account string
	quota, nodeSelectors map[string]string
}

const (
	flagIsolated       = "isolated"
	flagPodSecurity    = "pod-security"
	flagQuota          = "quota"
	flagServiceAccount = "service-account"
	flagNodeSelector   = "node-selector"
)

func (f *policyFlags) add(command *cobra.Command) {
	flags := command.Flags()
	f.changed = flags.Changed
	flags.BoolVar(&f.given.isolated, flagIsolated, true, "on Kubernetes, let no pod of other namespaces reach the enclave's services")
	flags.StringVar(&f.given.podSecurity, flagPodSecurity, "", "on Kubernetes, level of pod security that the enclave enforces: privileged, baseline or restricted")
	flags.StringToStringVar(&f.given.quota, flagQuota, nil, "on Kubernetes, what all of the enclave may take together, RESOURCE=AMOUNT, for example requests.cpu=8; may be repeated")
	flags.StringVar(&f.given.account, flagServiceAccount, "", "on Kubernetes, service account of the enclave that pods run as")
	flags.StringToStringVar(&f.given.nodeSelectors, flagNodeSelector, nil, "on Kubernetes, label that nodes must have to get pods, KEY=VALUE; may be repeated")
	completeValues(command, flagPodSecurity, enclave.PodSecurityPrivileged, enclave.PodSecurityBaseline, enclave.PodSecurityRestricted)
}

// over gives what is there with what the flags say in its place; nil where they say nothing.
func (f *policyFlags) over(found *enclave.Policy) *enclave.Policy {
	policy := enclave.Policy{}
	if found != nil {
		policy = *found
	}
	said := false
	for name, take := range map[string]func(){
		flagIsolated:       func() { policy.Open = !f.given.isolated },
		flagPodSecurity:    func() { policy.PodSecurity = f.given.podSecurity },
		flagQuota:          func() { policy.Quota = maps.Clone(f.given.quota) },
		flagServiceAccount: func() { policy.ServiceAccount = f.given.account },
		flagNodeSelector:   func() { policy.NodeSelectors = maps.Clone(f.given.nodeSelectors) },
	} {
		if f.changed != nil && f.changed(name) {
			said = true
			take()
		}
	}
	if !said {
		return nil
	}
	return &policy
}

func (f *policyFlags) check() error {
	if err := kubernetes.CheckPolicy(f.over(nil)); err != nil {
		return usage("%w", err)
	}
	return nil
}
