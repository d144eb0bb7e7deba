package kubernetes

import (
	"context"
	"errors"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

const (
	// lookoutLinger is how long pods are still watched when nobody waits any more: services are mostly started one after
	// another.
	lookoutLinger = 5 * time.Second
	// lookoutPatience is how long the API server may be away while somebody waits: it may be restarting.
	lookoutPatience = 20 * time.Second
	// lookoutPause lies between two attempts to watch.
	lookoutPause = 500 * time.Millisecond
)

// lookout watches the pods of one enclave for all who wait for one of them: one list and one watch, however many services
// there are.
type lookout struct {
	conn      *connection
	namespace string
	end       context.CancelFunc

	mutex   sync.Mutex
	waiters int
	pods    map[types.UID]*corev1.Pod
	changed chan struct{} // is closed at the next change
	failure error

	events struct {
		mutex sync.Mutex
		at    time.Time
		found []corev1.Event
	}
}

// lookouts are those of one backend.
type lookouts struct {
	mutex       sync.Mutex
	byNamespace map[string]*lookout
}

// join gives the lookout of an enclave, which leave must be called on.
func (l *lookouts) join(conn *connection, namespace string) *lookout {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	found := l.byNamespace[namespace]
	if found == nil || !found.enter() {
		found = l.open(conn, namespace)
		found.enter()
	}
	return found
}

func (l *lookouts) open(conn *connection, namespace string) *lookout {
	// It belongs to nobody who waits: whoever comes first may leave first.
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // See above; forget and close end it.
	opened := &lookout{conn: conn, namespace: namespace, end: cancel, pods: map[types.UID]*corev1.Pod{}, changed: make(chan struct{})}
	if l.byNamespace == nil {
		l.byNamespace = map[string]*lookout{}
	}
	l.byNamespace[namespace] = opened
	go opened.watch(ctx)
	return opened
}

// enter counts one who waits, unless the lookout has failed.
func (l *lookout) enter() bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.failure != nil {
		return false
	}
	l.waiters++
	return true
}

// leave tells that the caller does not wait any more.
func (l *lookouts) leave(of *lookout) {
	of.mutex.Lock()
	of.waiters--
	of.mutex.Unlock()
	time.AfterFunc(lookoutLinger, func() { l.closeIdle(of) })
}

func (l *lookouts) closeIdle(of *lookout) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	of.mutex.Lock()
	idle := of.waiters == 0
	of.mutex.Unlock()
	if idle {
		l.forget(of)
	}
}

// forget ends a lookout; the next one who waits opens another.
func (l *lookouts) forget(of *lookout) {
	of.end()
	if l.byNamespace[of.namespace] == of {
		delete(l.byNamespace, of.namespace)
	}
}

// drop ends a lookout that has failed.
func (l *lookouts) drop(of *lookout) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.forget(of)
}

func (l *lookouts) close() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, of := range l.byNamespace {
		l.forget(of)
	}
}

// watch keeps the pods up to date until the context ends.
func (l *lookout) watch(ctx context.Context) {
	var failingSince time.Time
	for ctx.Err() == nil {
		err := l.watchOnce(ctx)
		if err == nil {
			failingSince = time.Time{}
			continue
		}
		if failingSince.IsZero() {
			failingSince = time.Now()
		}
		if _, away := errors.AsType[*enclave.UnreachableError](err); !away || time.Since(failingSince) > lookoutPatience {
			l.fail(err)
			return
		}
		if pause(ctx, lookoutPause) != nil {
			return
		}
	}
}

// watchOnce lists the pods, and follows them until the server has had enough.
func (l *lookout) watchOnce(ctx context.Context) error {
	query := map[string]string{"labelSelector": ofSundog()}
	found, version, err := listVersion[corev1.Pod](ctx, l.conn, pods, l.namespace, query)
	if err != nil {
		return err
	}
	l.mutex.Lock()
	l.pods = make(map[types.UID]*corev1.Pod, len(found))
	for i := range found {
		l.pods[found[i].UID] = &found[i]
	}
	l.tell()
	l.mutex.Unlock()
	_, err = watchFrom(ctx, l.conn, pods, l.namespace, query, version, func(event string, pod *corev1.Pod) (bool, error) {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		if event == eventDeleted {
			delete(l.pods, pod.UID)
		} else {
			l.pods[pod.UID] = pod
		}
		l.tell()
		return false, nil
	})
	return err
}

// tell wakes all who wait. The mutex is held.
func (l *lookout) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *lookout) fail(err error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.failure = err
	l.tell()
}

// podOf gives the pod of a Job that is not on its way out, or nil, and what tells of the next change.
func (l *lookout) podOf(job types.UID) (pod *corev1.Pod, changed <-chan struct{}, err error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, candidate := range l.pods {
		if candidate.DeletionTimestamp == nil && ownedBy(candidate, job) && (pod == nil || isNewer(candidate, pod)) {
			pod = candidate
		}
	}
	return pod, l.changed, l.failure
}

// eventsOf gives what Kubernetes tells of some objects. All events of the enclave are listed at once, and at most once in
// a while, for all who ask.
func (l *lookout) eventsOf(ctx context.Context, atMost time.Duration, names ...string) ([]corev1.Event, error) {
	l.events.mutex.Lock()
	defer l.events.mutex.Unlock()
	if time.Since(l.events.at) >= atMost {
		found, err := list[corev1.Event](ctx, l.conn, events, l.namespace, "")
		if err != nil {
			return nil, err
		}
		l.events.found, l.events.at = found, time.Now()
	}
	var about []corev1.Event
	for i := range l.events.found {
		for _, name := range names {
			if l.events.found[i].InvolvedObject.Name == name {
				about = append(about, l.events.found[i])
			}
		}
	}
	return about, nil
}

// listVersion lists, and tells the version from which a watch goes on.
func listVersion[T any](ctx context.Context, c *connection, kind objectKind, namespace string, query map[string]string) (items []T, version string, err error) {
	metadata, err := listPages(ctx, c, kind, namespace, query, "", func(page []T) { items = append(items, page...) })
	return items, metadata.ResourceVersion, err
}
