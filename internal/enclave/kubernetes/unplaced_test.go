package kubernetes

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A node's refusal is told by its name and by what can be done; what keeps no pod away is none.
func TestNodesTellWhyTheyRefuse(t *testing.T) {
	t.Parallel()
	taints := []corev1.Taint{
		{Key: "dedicated", Value: "shop", Effect: corev1.TaintEffectNoSchedule},
		{Key: "slow", Effect: corev1.TaintEffectPreferNoSchedule},
		{Key: "gone", Effect: corev1.TaintEffectNoExecute},
	}
	for what, item := range map[string]struct {
		spec        corev1.NodeSpec
		tolerations []corev1.Toleration
		want        string
	}{
		"cordoned":           {corev1.NodeSpec{Unschedulable: true}, nil, "node n1 is cordoned: `kubectl uncordon n1` lets pods go there again"},
		"without taints":     {corev1.NodeSpec{}, nil, ""},
		"two taints":         {corev1.NodeSpec{Taints: taints}, nil, "node n1 has the taint dedicated=shop:NoSchedule, gone:NoExecute: only services with a Toleration of it go there"},
		"one is tolerated":   {corev1.NodeSpec{Taints: taints}, []corev1.Toleration{{Key: "gone", Operator: corev1.TolerationOpExists}}, "node n1 has the taint dedicated=shop:NoSchedule: only services with a Toleration of it go there"},
		"both are tolerated": {corev1.NodeSpec{Taints: taints}, []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, ""},
		"another value":      {corev1.NodeSpec{Taints: taints[:1]}, []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "else"}}, "node n1 has the taint dedicated=shop:NoSchedule: only services with a Toleration of it go there"},
	} {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Spec: item.spec}
		if got := refusalOf(node, &corev1.Pod{Spec: corev1.PodSpec{Tolerations: item.tolerations}}); got != item.want {
			t.Errorf("%s: %q, want %q", what, got, item.want)
		}
	}
}

// Only a node that Kubernetes itself keeps pods away from for a while is waited for.
func TestNodesThatAreExpectedBack(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		corev1.TaintNodeNotReady: true, corev1.TaintNodeUnreachable: true, "node.cloudprovider.kubernetes.io/uninitialized": true,
		corev1.TaintNodeUnschedulable: false, "dedicated": false,
	} {
		node := corev1.Node{Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: "dedicated"}, {Key: key, Effect: corev1.TaintEffectNoSchedule}}}}
		if got := isAwaited(node); got != want {
			t.Errorf("%s: %t, want %t", key, got, want)
		}
	}
}

// A volume that the scheduler has not seen yet is waited for; one that cannot be had is not.
func TestVolumesThatAreLate(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]bool{
		`0/1 nodes are available: persistentvolume "pvc-1" not found. not found`:     true,
		`0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.`: false,
		`0/1 nodes are available: persistentvolumeclaim "store" not found.`:          false,
		`0/1 nodes are available: 1 node(s) had volume node affinity conflict.`:      false,
	} {
		if got := isVolumeLate(message); got != want {
			t.Errorf("%s: %t, want %t", message, got, want)
		}
	}
}
