package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
)

// unplacedError is that no node takes a pod. The scheduler counts nodes by what speaks against them, and names none of it.
type unplacedError struct{ message string }

func (e *unplacedError) Error() string { return "no node takes its pod: " + e.message }

// describedNodes bounds how many nodes an error speaks of.
const describedNodes = 3

// whyUnplaced tells what of the pod and of the nodes the scheduler means, and what can be done. It is empty where nothing of
// that kind is the reason; nodes are left out for whoever may not list them.
func (c *connection) whyUnplaced(ctx context.Context, pod *corev1.Pod) string {
	var reasons []string
	found, err := list[corev1.Node](ctx, c, nodes, "", "")
	if err == nil {
		for i := range found {
			if reason := refusalOf(&found[i], pod); reason != "" {
				reasons = append(reasons, reason)
			}
		}
		if more := len(reasons) - describedNodes; more > 0 {
			reasons = append(reasons[:describedNodes], fmt.Sprintf("%d more nodes refuse it", more))
		}
	}
	if wanted := selectorText(pod); wanted != "" && err == nil && !slices.ContainsFunc(found, func(node corev1.Node) bool { return hasLabels(&node, pod.Spec.NodeSelector) }) {
		reasons = append(reasons, "no node has the labels "+wanted+" that node_selectors ask for")
	}
	if len(reasons) == 0 {
		return ""
	}
	return "\n" + strings.Join(reasons, "\n")
}

// nodeMayRecover tells, once, that a node which is not ready at this moment may take the pod later, or that the scheduler has not
// seen a volume yet to which a claim is bound.
func (w *startWaiter) nodeMayRecover(ctx context.Context, cause error) bool {
	unplaced, ok := errors.AsType[*unplacedError](cause)
	if !ok || w.recovering {
		return false
	}
	if w.recovering = isVolumeLate(unplaced.message); w.recovering {
		return true
	}
	found, err := list[corev1.Node](ctx, w.conn, nodes, "", "")
	w.recovering = err == nil && slices.ContainsFunc(found, isAwaited)
	return w.recovering
}

// isVolumeLate tells that a volume was made just now: claims are bound to no others.
func isVolumeLate(message string) bool {
	return strings.Contains(message, `persistentvolume "`) && strings.Contains(message, "not found")
}

// isAwaited tells of a node that Kubernetes itself keeps pods away from for the time being.
func isAwaited(node corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool { return slices.Contains(passingTaints, taint.Key) })
}

// passingTaints are those of nodes that are expected to get ready: Kubernetes and cloud providers put them on, and take them off.
var passingTaints = []string{
	corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeNetworkUnavailable, "node.cloudprovider.kubernetes.io/uninitialized",
}

// refusalOf tells why a node takes no pod of this kind, as far as it says so itself; empty if it does not.
func refusalOf(node *corev1.Node, pod *corev1.Pod) string {
	if node.Spec.Unschedulable {
		return fmt.Sprintf("node %s is cordoned: `kubectl uncordon %s` lets pods go there again", node.Name, node.Name)
	}
	var taints []string
	for i := range node.Spec.Taints {
		taint := &node.Spec.Taints[i]
		tolerates := func(toleration corev1.Toleration) bool {
			return toleration.ToleratesTaint(logr.Discard(), taint, true)
		}
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && !slices.ContainsFunc(pod.Spec.Tolerations, tolerates) {
			taints = append(taints, taint.ToString())
		}
	}
	if len(taints) == 0 {
		return ""
	}
	return fmt.Sprintf("node %s has the taint %s: only services with a Toleration of it go there", node.Name, strings.Join(taints, ", "))
}

func hasLabels(node *corev1.Node, wanted map[string]string) bool {
	for key, value := range wanted {
		if have, there := node.Labels[key]; !there || have != value {
			return false
		}
	}
	return true
}

// selectorText is what a pod asks of its node's labels.
func selectorText(pod *corev1.Pod) string {
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(pod.Spec.NodeSelector)) {
		labels = append(labels, key+"="+pod.Spec.NodeSelector[key])
	}
	return strings.Join(labels, ", ")
}
