package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// lookInterval is how often events are read while a service does not start.
	lookInterval = 2 * time.Second
	// placePatience is how long no node may take a pod: volumes are bound and images are freed in that time, and a cluster
	// that grows says so.
	placePatience = 15 * time.Second
	// recoveryPatience is how long that is where nodes are expected back: one whose kubelet restarts, or that has just been made.
	recoveryPatience = 3 * time.Minute
	// lastLines is how many log lines an error shows.
	lastLines = 20
)

// startWaiter waits for the process of a service.
type startWaiter struct {
	conn                           *connection
	namespace, service, generation string
	job                            types.UID
	pods                           *lookout

	pod         *corev1.Pod
	unplaced    time.Time // since when no node takes the pod
	recovering  bool      // whether a node is expected back that would take it
	lateSecret  time.Time // since when a pull fails as the node has no pull secret yet
	failedMount time.Time // since when mounts fail
	busy        time.Time // since when the node has been too busy to make a container
	// firstRefused is since when the pod is not admitted.
	firstRefused time.Time
}

// wait gives the pod once its process has been started.
func (w *startWaiter) wait(ctx context.Context, all *lookouts) (*corev1.Pod, error) {
	looks := time.NewTicker(lookInterval)
	defer looks.Stop()
	for {
		pod, changed, err := w.pods.podOf(w.job)
		if err != nil {
			all.drop(w.pods)
			return nil, w.explain(ctx, err)
		}
		if pod != nil {
			done, err := w.visit(pod)
			if done {
				return pod, nil
			}
			if err != nil && !w.mayRecover(ctx, err) {
				return nil, w.explain(ctx, err)
			}
		}
		select {
		case <-ctx.Done():
			return nil, w.explain(ctx, ctx.Err())
		case <-changed:
		case <-looks.C:
			if err := w.look(ctx); err != nil && !w.mayRecover(ctx, err) {
				return nil, w.explain(ctx, err)
			}
		}
	}
}

// mayRecover tells that what looks like the end is none yet.
func (w *startWaiter) mayRecover(ctx context.Context, cause error) bool {
	return w.nodeMayRecover(ctx, cause) || w.nodeIsBusy(cause) || w.secretIsLate(ctx)
}

// visit is done when the process has been started, and fails when it will not be.
func (w *startWaiter) visit(pod *corev1.Pod) (done bool, err error) {
	w.pod = pod
	for _, container := range helperContainers {
		if err := w.visitHelper(pod, container); err != nil {
			return false, err
		}
	}
	status := containerStatus(pod, containerService)
	if status == nil {
		if pod.Status.Phase == corev1.PodFailed {
			return false, fmt.Errorf("its pod failed%s", reasonText(pod.Status.Reason, pod.Status.Message))
		}
		return false, w.checkPlace(pod)
	}
	if ended := status.State.Terminated; ended != nil {
		if slices.Contains(startFailures, ended.Reason) {
			return false, fmt.Errorf("the process could not be started%s", reasonText(ended.Reason, ended.Message))
		}
		return true, nil
	}
	if status.State.Running != nil {
		return true, nil
	}
	if err := waitingFor(status); err != nil {
		return false, err
	}
	return false, w.checkPlace(pod)
}

// helperContainers are those of Sundog's own.
var helperContainers = []string{containerOwners, containerFiles, containerGuard}

// visitHelper fails where a container beside the service's will not do its work.
func (w *startWaiter) visitHelper(pod *corev1.Pod, container string) error {
	status := containerStatus(pod, container)
	if status == nil {
		return nil
	}
	if ended := status.State.Terminated; ended != nil && ended.ExitCode != 0 && container != containerGuard {
		return fmt.Errorf("its files could not be put in place: exit code %d%s", ended.ExitCode, reasonText(ended.Reason, ended.Message))
	}
	return waitingFor(status)
}

// startFailures are the reasons for which a container has "ended" that never ran.
var startFailures = []string{"StartError", "ContainerCannotRun"}

// hopeless are the reasons for which a container waits in vain.
var hopeless = []string{
	"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
	"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError", "PreStartHookError", "PostStartHookError",
}

func waitingFor(status *corev1.ContainerStatus) error {
	if waiting := status.State.Waiting; waiting != nil && slices.Contains(hopeless, waiting.Reason) {
		remedy := ""
		if strings.Contains(waiting.Message, "runAsNonRoot") {
			remedy = nonRootRemedy
		}
		return &waitingError{status.Image, waiting.Reason, waiting.Message, remedy}
	}
	return nil
}

func reasonText(reason, message string) string {
	text := strings.TrimSpace(reason + ": " + strings.TrimSpace(message))
	if text = strings.Trim(text, ": "); text == "" {
		return ""
	}
	return ": " + text
}

// checkPlace fails if no node takes the pod for too long.
func (w *startWaiter) checkPlace(pod *corev1.Pod) error {
	for _, condition := range pod.Status.Conditions {
		if condition.Type != corev1.PodScheduled || condition.Status != corev1.ConditionFalse || condition.Reason != corev1.PodReasonUnschedulable {
			continue
		}
		if w.unplaced.IsZero() {
			w.unplaced = time.Now()
		}
		patience := placePatience
		if w.recovering {
			patience = recoveryPatience
		}
		if time.Since(w.unplaced) > patience {
			return &unplacedError{condition.Message}
		}
		return nil
	}
	w.unplaced = time.Time{}
	return nil
}

// look reads the events of a service that does not start: they tell what its pod does not.
func (w *startWaiter) look(ctx context.Context) error {
	if w.pod != nil {
		if err := w.checkPlace(w.pod); err != nil {
			return err
		}
	}
	found, err := w.events(ctx, lookInterval/2)
	if err != nil {
		return err
	}
	for i := range found {
		event := &found[i]
		switch {
		case event.Reason == "FailedCreate" && event.InvolvedObject.Kind == jobs.kind && w.pod == nil:
			if err := w.refused(event.Message); err != nil {
				return err
			}
		case event.Reason == "TriggeredScaleUp":
			w.unplaced = time.Now() // A node is on its way.
		}
	}
	return w.judgeVolumes(found)
}

// events gives what Kubernetes tells of the Job, the pod and its volumes, no older than some time.
func (w *startWaiter) events(ctx context.Context, age time.Duration) ([]corev1.Event, error) {
	names := []string{jobName(w.service, w.generation)}
	if w.pod != nil {
		names = append(append(names, w.pod.Name), claimsOf(w.pod)...)
	}
	return w.pods.eventsOf(ctx, age, names...)
}

// explain adds to an error what Kubernetes tells, and the last log lines.
func (w *startWaiter) explain(ctx context.Context, cause error) error {
	detached, cancel := detach(ctx)
	defer cancel()
	var text strings.Builder
	if _, unplaced := errors.AsType[*unplacedError](cause); unplaced {
		text.WriteString(w.conn.whyUnplaced(detached, w.pod))
	}
	if w.pod == nil {
		fmt.Fprintf(&text, "; it has no pod yet")
	} else if ctx.Err() != nil {
		fmt.Fprintf(&text, "; its pod %s is %s", w.pod.Name, w.pod.Status.Phase)
	}
	if found, err := w.events(detached, 0); err == nil {
		for i := range found {
			if found[i].Type == corev1.EventTypeWarning && !strings.Contains(cause.Error(), found[i].Message) {
				fmt.Fprintf(&text, "\n%s: %s", found[i].Reason, strings.TrimSpace(found[i].Message))
			}
		}
	}
	if w.pod != nil {
		for _, container := range []string{containerOwners, containerFiles, containerService} {
			if lines := w.logs(detached, container); lines != "" {
				fmt.Fprintf(&text, "\n%s%s", lines, volumeRemedy(w.pod, container, lines))
			}
		}
	}
	return fmt.Errorf("%w%s", cause, text.String())
}

func (w *startWaiter) logs(ctx context.Context, container string) string {
	if containerStatus(w.pod, container) == nil {
		return ""
	}
	stream, err := w.conn.logs(ctx, w.pod, container, map[string]string{"tailLines": strconv.Itoa(lastLines)})
	if err != nil {
		return ""
	}
	defer stream.Close() //nolint:errcheck // It was only read.
	content, err := io.ReadAll(io.LimitReader(stream, 1<<16))
	if err != nil {
		return ""
	}
	if container != containerService {
		return describeAgent(string(content))
	}
	return strings.TrimSpace(string(content))
}
