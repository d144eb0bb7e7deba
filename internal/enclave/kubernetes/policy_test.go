package kubernetes

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// makePolicedEnclave makes an enclave with a policy for one test.
func makePolicedEnclave(t *testing.T, backend *Backend, policy *enclave.Policy) string {
	t.Helper()
	name := "p" + newGeneration()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := backend.RemoveEnclave(ctx, name); err != nil {
			t.Error(err)
		}
	})
	found, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Policy: policy})
	must(t, err)
	if !found.Policy.Equal(policy) {
		t.Fatalf("the new enclave's policy is %+v, want %+v", found.Policy, policy)
	}
	return name
}

func somePolicy() *enclave.Policy {
	return &enclave.Policy{
		Quota: map[string]string{"requests.cpu": "4000m", "pods": "7"},
		Limits: &enclave.Limits{
			Default: map[string]string{"cpu": "1500m"}, DefaultRequest: map[string]string{"memory": "16Mi"}, Min: map[string]string{"cpu": "2m"}, Max: map[string]string{"memory": "2048Mi"},
		},
		PodSecurity: enclave.PodSecurityBaseline, Annotations: map[string]string{"example.com/cost-centre": "42"},
		PodLabels: map[string]string{"team": "shop", "tier": "test"}, PodAnnotations: map[string]string{"example.com/scrape": "no"},
		NodeSelectors: map[string]string{"kubernetes.io/os": "linux"},
		Tolerations:   []plan.Toleration{{Key: "dedicated", Operator: "Exists", Effect: "NoSchedule"}},
	}
}

// Whatever is changed of a policy from outside is seen, and is put right by the next update.
func TestKubernetesHealsPolicies(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	wanted := somePolicy()
	name := makePolicedEnclave(t, backend, wanted)
	conn, err := backend.connect()
	must(t, err)
	namespace := namespaceName(name)
	current := func() *enclave.Policy {
		t.Helper()
		found, err := backend.Enclave(t.Context(), name)
		must(t, err)
		return found.Policy
	}
	if !current().Equal(wanted) {
		t.Errorf("the policy is %s, want %s", mustMarshal(t, current()), mustMarshal(t, wanted))
	}
	merge := func(kind objectKind, in, object string, change map[string]any) {
		t.Helper()
		must(t, conn.do(t.Context(), call{verb: "PATCH", path: kind.path(in, object), mediaType: "application/merge-patch+json", body: change}, nil))
	}
	for what, drift := range map[string]struct {
		make func()
		seen func(*enclave.Policy) bool
	}{
		"other amounts of the quota": {
			func() {
				merge(quotas, namespace, policyObject, map[string]any{"spec": map[string]any{"hard": map[string]any{"pods": "99"}}})
			},
			func(p *enclave.Policy) bool { return p.Quota["pods"] == "99" && p.Quota["requests.cpu"] == "4000m" },
		},
		"no quota": {
			func() { must(t, conn.remove(t.Context(), quotas, namespace, policyObject, deletion{})) },
			func(p *enclave.Policy) bool { return len(p.Quota) == 0 },
		},
		"no limits": {
			func() { must(t, conn.remove(t.Context(), limitRanges, namespace, policyObject, deletion{})) },
			func(p *enclave.Policy) bool { return p.Limits == nil },
		},
		"an open network": {
			func() { must(t, conn.remove(t.Context(), networkPolicies, namespace, policyIsolated, deletion{})) },
			func(p *enclave.Policy) bool { return p.Open },
		},
		"a wider network policy": {
			func() {
				merge(networkPolicies, namespace, policyIsolated, map[string]any{"spec": map[string]any{"ingress": []any{map[string]any{}}}})
			},
			func(p *enclave.Policy) bool { return p.Open },
		},
		"another level": {
			func() {
				merge(namespaces, "", namespace, map[string]any{"metadata": map[string]any{"labels": map[string]any{labelPodSecurity: "privileged"}}})
			},
			func(p *enclave.Policy) bool { return p.PodSecurity == enclave.PodSecurityPrivileged },
		},
		"other annotations": {
			func() {
				merge(namespaces, "", namespace, map[string]any{"metadata": map[string]any{"annotations": map[string]any{"example.com/cost-centre": nil}}})
			},
			func(p *enclave.Policy) bool { return len(p.Annotations) == 0 },
		},
	} {
		drift.make()
		if found := current(); !drift.seen(found) {
			t.Errorf("%s: the policy is %s", what, mustMarshal(t, found))
		}
		updated, err := backend.UpdateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Policy: wanted})
		must(t, err)
		if !updated.Policy.Equal(wanted) || !current().Equal(wanted) {
			t.Errorf("%s: the policy is %s after the update", what, mustMarshal(t, updated.Policy))
		}
	}
	// An update that does not say keeps it; another policy takes its place, and nothing is left of the one before.
	kept, err := backend.UpdateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Labels: map[string]string{"a": "b"}})
	must(t, err)
	if !kept.Policy.Equal(wanted) {
		t.Errorf("the policy is %s, want it kept", mustMarshal(t, kept.Policy))
	}
	open, err := backend.UpdateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Policy: &enclave.Policy{Open: true}})
	must(t, err)
	if !open.Policy.Equal(&enclave.Policy{Open: true}) {
		t.Errorf("the policy is %s, want an open one", mustMarshal(t, open.Policy))
	}
	for _, kind := range []objectKind{quotas, limitRanges, networkPolicies} {
		left, err := listAs[metav1.PartialObjectMetadata](t.Context(), conn, kind, namespace, nil, metadataOnly)
		must(t, err)
		if len(left) > 0 {
			t.Errorf("%s are left: %v", kind.plural, left)
		}
	}
	object, err := get[corev1.Namespace](t.Context(), conn, namespaces, "", namespace)
	must(t, err)
	if _, left := object.Labels[labelPodSecurity]; left || object.Annotations["example.com/cost-centre"] != "" {
		t.Errorf("the namespace still has %v, %v", object.Labels, object.Annotations)
	}
}

// An apply that was cut off between the namespace and what bounds it is completed by the next one.
func TestKubernetesCompletesPolicies(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	wanted := somePolicy()
	name := makePolicedEnclave(t, backend, wanted)
	conn, err := backend.connect()
	must(t, err)
	must(t, conn.remove(t.Context(), secrets, namespaceName(name), keySecret, deletion{}))
	must(t, conn.remove(t.Context(), networkPolicies, namespaceName(name), policyIsolated, deletion{}))
	_, err = backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Policy: wanted})
	must(t, err)
	found, err := backend.Enclave(t.Context(), name)
	must(t, err)
	if !found.Policy.Equal(wanted) {
		t.Errorf("the policy is %s", mustMarshal(t, found.Policy))
	}
}

// What holds for all pods of an enclave reaches them, and what a service says goes before.
func TestKubernetesGivesPodsTheEnclavesPolicy(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makePolicedEnclave(t, backend, somePolicy())
	seconds := int64(5)
	must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Labels = map[string]string{"tier": "mine"}
		request.Spec.NodeSelectors = map[string]string{"kubernetes.io/arch": "amd64"}
		request.Spec.Tolerations = []plan.Toleration{{Key: "spot", Operator: "Equal", Value: "yes", Effect: "NoExecute", Seconds: &seconds}}
		request.Spec.MaxCPU = 400
	})))
	pod := podOf(t, backend, name, "api")
	if pod.Labels["team"] != "shop" || pod.Labels["tier"] != "mine" || pod.Annotations["example.com/scrape"] != "no" {
		t.Errorf("labels are %v, annotations %v", pod.Labels, pod.Annotations)
	}
	if pod.Spec.NodeSelector["kubernetes.io/os"] != "linux" || pod.Spec.NodeSelector["kubernetes.io/arch"] != "amd64" {
		t.Errorf("node selectors are %v", pod.Spec.NodeSelector)
	}
	tolerated := string(mustMarshal(t, pod.Spec.Tolerations))
	for _, want := range []string{`{"key":"spot","operator":"Equal","value":"yes","effect":"NoExecute","tolerationSeconds":5}`, `{"key":"dedicated","operator":"Exists","effect":"NoSchedule"}`} {
		if !strings.Contains(tolerated, want) {
			t.Errorf("tolerations are %s, want %s", tolerated, want)
		}
	}
	// What the service reserves, which is nothing, and what the guard does, is lifted to the least that is allowed.
	for _, container := range pod.Spec.Containers {
		if got := container.Resources.Requests.Cpu().MilliValue(); got != 2 {
			t.Errorf("container %s asks for %d millicores, want 2", container.Name, got)
		}
	}
	service := pod.Spec.Containers[0].Resources
	if service.Limits.Cpu().MilliValue() != 400 || service.Limits.Memory().String() != "2Gi" || service.Requests.Memory().String() != "16Mi" {
		t.Errorf("the service's resources are %s", mustMarshal(t, service))
	}
	if account := pod.Spec.ServiceAccountName; account != "default" || *pod.Spec.AutomountServiceAccountToken {
		t.Errorf("the pod runs as %q", account)
	}
}

// A service account of the namespace gives pods its name and its token.
func TestKubernetesRunsPodsAsAServiceAccount(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makePolicedEnclave(t, backend, &enclave.Policy{ServiceAccount: "shop"})
	conn, err := backend.connect()
	must(t, err)
	_, err = backend.CreateService(t.Context(), name, serviceRequest(t, backend, images.Service, nil))
	must(t, err)
	_, err = backend.StartService(t.Context(), name, "api")
	mentions(t, err, `"api"`, `serviceaccount "shop" not found`, "kubernetes.service_account")
	accounts := objectKind{"/api/v1", "ServiceAccount", "serviceaccounts", "v1"}
	_, err = create(t.Context(), conn, accounts, namespaceName(name), &corev1.ServiceAccount{TypeMeta: accounts.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	must(t, err)
	must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, images.Service, nil)))
	if pod := podOf(t, backend, name, "api"); pod.Spec.ServiceAccountName != "shop" {
		t.Errorf("the pod runs as %q", pod.Spec.ServiceAccountName)
	}
	if token := exec1(t, backend, name, "api", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token"); len(token) < 100 {
		t.Errorf("the token is %q", token)
	}
}

// reaches tells whether a set of NetworkPolicies lets traffic to a port of a service's pod: from is a pod's namespace, or empty
// for an address outside of the cluster. It knows what the policies here use of the rules, and fails for anything else.
func reaches(t *testing.T, policies []networkingv1.NetworkPolicy, namespace, service string, number int32, from string) bool {
	t.Helper()
	selected := false
	for _, policy := range policies {
		which, err := metav1.LabelSelectorAsMap(&policy.Spec.PodSelector)
		must(t, err)
		if len(which) > 1 {
			t.Fatalf("%s selects %v, which the test does not know", policy.Name, which)
		}
		if only, isOnly := which[enclave.LabelService]; isOnly && only != service {
			continue
		}
		selected = true
		for _, rule := range policy.Spec.Ingress {
			if len(rule.From) == 0 {
				t.Fatalf("%s has a rule that the test does not know", policy.Name)
			}
			isPort := func(port networkingv1.NetworkPolicyPort) bool {
				return port.Port.IntVal == number && *port.Protocol == corev1.ProtocolTCP
			}
			if len(rule.Ports) > 0 && !slices.ContainsFunc(rule.Ports, isPort) {
				continue
			}
			for _, peer := range rule.From {
				switch {
				case peer.IPBlock != nil && from == "", peer.NamespaceSelector != nil && from != "", peer.NamespaceSelector == nil && peer.PodSelector != nil && from == namespace:
					return true
				}
			}
		}
	}
	return !selected
}

// Pods of other namespaces are kept out, and so is everybody else but from what is published, as long as it is.
func TestKubernetesIsolatesEnclaves(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makePolicedEnclave(t, backend, nil)
	conn, err := backend.connect()
	must(t, err)
	namespace := namespaceName(name)
	request := withPorts(t, backend, images.Service, 0)
	request.Spec.PublicPorts = nil
	must(t, createAndStart(t.Context(), backend, name, request))
	pod := podOf(t, backend, name, "api").UID
	const other, proxy, outside = "sundog-other", "ingress-nginx", ""
	closed := map[string]bool{"http from " + namespace: true, "sql from " + namespace: true}
	for _, step := range []struct {
		exposure *enclave.Exposure
		policy   *enclave.Policy
		// open is who reaches which port besides the enclave's own services.
		open []string
	}{
		{&enclave.Exposure{Mode: enclave.ExposeNone}, nil, nil},
		{&enclave.Exposure{Mode: enclave.ExposeNodePort}, nil, []string{"http from ", "sql from "}},
		{&enclave.Exposure{Mode: enclave.ExposeIngress, Ingress: &enclave.Ingress{Host: "{service}.{enclave}.example.com"}}, nil, []string{"http from ", "http from " + other, "http from " + proxy}},
		{&enclave.Exposure{Mode: enclave.ExposeNone}, nil, nil},
		{&enclave.Exposure{Mode: enclave.ExposeNodePort}, &enclave.Policy{Open: true}, []string{
			"http from ", "sql from ", "http from " + other, "sql from " + other, "http from " + proxy, "sql from " + proxy,
		}},
		{nil, &enclave.Policy{}, []string{"http from ", "sql from "}},
	} {
		_, err := backend.UpdateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Exposure: step.exposure, Policy: step.policy})
		must(t, err)
		policies, err := list[networkingv1.NetworkPolicy](t.Context(), conn, networkPolicies, namespace, "")
		must(t, err)
		for _, policy := range policies {
			if len(policy.Spec.PolicyTypes) != 1 || policy.Spec.PolicyTypes[0] != networkingv1.PolicyTypeIngress {
				t.Errorf("%s is about %v, want the way in alone", policy.Name, policy.Spec.PolicyTypes)
			}
		}
		want := maps.Clone(closed)
		for _, who := range step.open {
			want[who] = true
		}
		got := map[string]bool{}
		for port, number := range map[string]int32{"http": 8080, "sql": 5432} {
			for _, from := range []string{namespace, other, proxy, outside} {
				if reaches(t, policies, namespace, "api", number, from) {
					got[port+" from "+from] = true
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("exposed by %+v, policy %+v: %s", step.exposure, step.policy, diff)
		}
	}
	if now := podOf(t, backend, name, "api").UID; now != pod {
		t.Error("the pod was made anew")
	}
}
