package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// fieldManager is who we are among those who write objects.
const fieldManager = "sundog"

// connection speaks to one cluster. It knows a handful of resources and sends their types as they are, as the generated
// clients bring every group of the API along.
type connection struct {
	config *rest.Config
	http   *http.Client
	rest   *rest.RESTClient
	chosen string

	// What several callers want to know at the same time is asked once.
	found      gathers[map[string]*parts]
	dotted     gathers[[]corev1.HostAlias]
	namespaces gathers[*corev1.Namespace]
	// prepared are the Jobs of services that were made by this process, until they are started.
	prepared sync.Map
	// lean are the records that are known to have no parts.
	lean sync.Map
	// answered is whether the API server has ever answered this process.
	answered atomic.Bool
	// awayAt is when it was last away, in nanoseconds since 1970.
	awayAt atomic.Int64
}

// quiet keeps the client from writing to stderr what its callers learn as errors anyhow. The client's logger is one for the
// whole process, so it is set once, before anything uses it.
var quiet = sync.OnceFunc(func() { klog.SetLogger(logr.Discard()) })

func newConnection(cluster Cluster) (*connection, error) {
	quiet()
	config, chosen, err := cluster.restConfig()
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType = "application/json"
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's configuration (chosen by %s): %w", chosen, err)
	}
	restClient, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's configuration (chosen by %s): %w", chosen, err)
	}
	return &connection{config: config, http: client, rest: restClient, chosen: chosen}, nil
}

// objectKind is a kind of object.
type objectKind struct {
	prefix, kind, plural string
	version              string
}

var (
	namespaces = objectKind{"/api/v1", "Namespace", "namespaces", "v1"}
	nodes      = objectKind{"/api/v1", "Node", "nodes", "v1"}
	services   = objectKind{"/api/v1", "Service", "services", "v1"}
	pods       = objectKind{"/api/v1", "Pod", "pods", "v1"}
	secrets    = objectKind{"/api/v1", "Secret", "secrets", "v1"}
	configMaps = objectKind{"/api/v1", "ConfigMap", "configmaps", "v1"}
	claims     = objectKind{"/api/v1", "PersistentVolumeClaim", "persistentvolumeclaims", "v1"}
	events     = objectKind{"/api/v1", "Event", "events", "v1"}
	jobs       = objectKind{"/apis/batch/v1", "Job", "jobs", "batch/v1"}
	leases     = objectKind{"/apis/coordination.k8s.io/v1", "Lease", "leases", "coordination.k8s.io/v1"}
)

// path of an object, or of all objects of the kind where name is empty. Namespaces and nodes are in no namespace.
func (r objectKind) path(namespace, name string) string {
	path := r.prefix
	if namespace != "" {
		path += "/namespaces/" + namespace
	}
	path += "/" + r.plural
	if name != "" {
		path += "/" + name
	}
	return path
}

func (r objectKind) typeMeta() metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: r.version, Kind: r.kind}
}

// call is one request.
type call struct {
	verb, path string
	query      map[string]string
	body       any
	mediaType  string // of the body; empty means JSON
	accept     string
}

func (c *connection) request(call call) (*rest.Request, error) {
	request := c.rest.Verb(call.verb).AbsPath(call.path)
	for key, value := range call.query {
		request = request.Param(key, value)
	}
	if call.accept != "" {
		request = request.SetHeader("Accept", call.accept)
	}
	if call.body != nil {
		body, err := json.Marshal(call.body)
		if err != nil {
			return nil, err
		}
		mediaType := call.mediaType
		if mediaType == "" {
			mediaType = "application/json"
		}
		request = request.SetHeader("Content-Type", mediaType).Body(body)
	}
	return request, nil
}

// do sends a request and reads the answer into result, which may be nil.
func (c *connection) do(ctx context.Context, call call, result any) error {
	answer, err := c.send(ctx, call)
	if err != nil {
		return err
	}
	if err := answer.Error(); err != nil {
		return c.translate(ctx, err)
	}
	if result == nil {
		return nil
	}
	body, err := answer.Raw()
	if err != nil {
		return c.translate(ctx, err)
	}
	if err := json.Unmarshal(body, result); err != nil {
		return fmt.Errorf("understand the cluster's answer to %s %s: %w", call.verb, call.path, err)
	}
	return nil
}

// get reads one object.
func get[T any](ctx context.Context, c *connection, kind objectKind, namespace, name string) (*T, error) {
	var result T
	if err := c.do(ctx, call{verb: http.MethodGet, path: kind.path(namespace, name)}, &result); err != nil {
		return nil, err
	}
	return &result, nil
}

// pageSize bounds how much of a list comes in one answer.
const pageSize = 500

// list reads all objects of a kind that have the labels.
func list[T any](ctx context.Context, c *connection, kind objectKind, namespace, selector string) ([]T, error) {
	return listAs[T](ctx, c, kind, namespace, map[string]string{"labelSelector": selector}, "")
}

// metadataOnly asks for objects without their content.
const metadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

func listAs[T any](ctx context.Context, c *connection, kind objectKind, namespace string, query map[string]string, accept string) ([]T, error) {
	var items []T
	_, err := listPages(ctx, c, kind, namespace, query, accept, func(page []T) { items = append(items, page...) })
	return items, err
}

// listPages lists page by page, and gives what the last one says of the list as a whole.
func listPages[T any](ctx context.Context, c *connection, kind objectKind, namespace string, query map[string]string, accept string, take func(page []T)) (metav1.ListMeta, error) {
	page := call{verb: http.MethodGet, path: kind.path(namespace, ""), query: map[string]string{"limit": strconv.Itoa(pageSize)}, accept: accept}
	for key, value := range query {
		if value != "" {
			page.query[key] = value
		}
	}
	for {
		var result struct {
			Metadata metav1.ListMeta `json:"metadata"`
			Items    []T             `json:"items"`
		}
		if err := c.do(ctx, page, &result); err != nil {
			return metav1.ListMeta{}, err
		}
		take(result.Items)
		if result.Metadata.Continue == "" {
			return result.Metadata, nil
		}
		page.query["continue"] = result.Metadata.Continue
	}
}

// create makes an object; one of the name must not be there.
func create[T any](ctx context.Context, c *connection, kind objectKind, namespace string, object *T) (*T, error) {
	var result T
	err := c.do(ctx, call{verb: http.MethodPost, path: kind.path(namespace, ""), query: map[string]string{"fieldManager": fieldManager}, body: object}, &result)
	return &result, err
}

// replace puts an object in another one's place.
func replace[T any](ctx context.Context, c *connection, kind objectKind, namespace, name string, object *T) (*T, error) {
	var result T
	err := c.do(ctx, call{verb: http.MethodPut, path: kind.path(namespace, name), query: map[string]string{"fieldManager": fieldManager}, body: object}, &result)
	return &result, err
}

// apply brings an object to what is given by server-side apply, and makes it if need be.
func apply[T any](ctx context.Context, c *connection, kind objectKind, namespace, name string, object map[string]any) (*T, error) {
	object["apiVersion"], object["kind"] = kind.version, kind.kind
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s %q has no metadata", kind.kind, name)
	}
	metadata["name"] = name
	var result T
	err := c.do(ctx, call{
		verb: http.MethodPatch, path: kind.path(namespace, name), mediaType: "application/apply-patch+yaml",
		query: map[string]string{"fieldManager": fieldManager, "force": "true"}, body: object,
	}, &result)
	return &result, err
}

// annotate changes annotations of an object; nil removes one.
func (c *connection) annotate(ctx context.Context, kind objectKind, namespace, name string, annotations map[string]any) error {
	return c.do(ctx, call{
		verb: http.MethodPatch, path: kind.path(namespace, name), mediaType: "application/merge-patch+json",
		query: map[string]string{"fieldManager": fieldManager}, body: map[string]any{"metadata": map[string]any{"annotations": annotations}},
	}, nil)
}

// deletion says how objects are deleted.
type deletion struct {
	// grace is how many seconds a pod may take to end; nil means what the pod says.
	grace *int64
	// uid and version must be those of the object, if they are given.
	uid, version string
}

func (d deletion) options() map[string]any {
	options := map[string]any{"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
	if d.grace != nil {
		options["gracePeriodSeconds"] = *d.grace
	}
	conditions := map[string]any{}
	if d.uid != "" {
		conditions["uid"] = d.uid
	}
	if d.version != "" {
		conditions["resourceVersion"] = d.version
	}
	if len(conditions) > 0 {
		options["preconditions"] = conditions
	}
	return options
}

// remove deletes one object; missing is success.
func (c *connection) remove(ctx context.Context, kind objectKind, namespace, name string, how deletion) error {
	return ignoreMissing(c.do(ctx, call{verb: http.MethodDelete, path: kind.path(namespace, name), body: how.options()}, nil))
}

// removeAll deletes all objects of a kind that have the labels.
func (c *connection) removeAll(ctx context.Context, kind objectKind, namespace, selector string, how deletion) error {
	return ignoreMissing(c.do(ctx, call{
		verb: http.MethodDelete, path: kind.path(namespace, ""), query: map[string]string{"labelSelector": selector}, body: how.options(),
	}, nil))
}

// eventDeleted is the kind of event that tells of an object that is gone.
const eventDeleted = "DELETED"

// watchFrom calls visit with every object of a query that changes after a version, until visit is done or fails. It is
// neither when the server has had enough; then whoever watches may list and begin again.
func watchFrom[T any](ctx context.Context, c *connection, kind objectKind, namespace string, query map[string]string, version string, visit func(event string, object *T) (done bool, err error)) (done bool, err error) {
	query = maps.Clone(query)
	query["watch"], query["resourceVersion"] = "true", version
	request, err := c.request(call{verb: http.MethodGet, path: kind.path(namespace, ""), query: query})
	if err != nil {
		return false, err
	}
	stream, err := request.Stream(ctx)
	if err != nil {
		return false, c.translate(ctx, err)
	}
	defer stream.Close() //nolint:errcheck // It was only read.
	decoder := json.NewDecoder(stream)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return false, nil
			}
			return false, c.translate(ctx, err)
		}
		if event.Type == "ERROR" {
			return false, nil // The server's patience with old versions has ended.
		}
		var object T
		if err := json.NewDecoder(bytes.NewReader(event.Object)).Decode(&object); err != nil {
			return false, err
		}
		if done, err := visit(event.Type, &object); done || err != nil {
			return done, err
		}
	}
}
