package kubernetes

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// The agent's place in every pod.
const (
	agentFolder  = "/.sundog/agent"
	agentProgram = agentFolder + "/agent"
	agentData    = agentFolder + "/data"
)

// The names of the agent's two files in their ConfigMaps.
const (
	agentProgramKey = "agent"
	agentDataKey    = "data"
)

//go:generate ../../../tools/agent

// built holds the agent for each architecture, as `make build` puts it there before it builds this program.
//
//go:embed built
var built embed.FS

// agentFiles are the two files of one architecture's agent.
type agentFiles struct {
	digest        string
	program, data []byte
}

// loadAgent unpacks the agent of an architecture.
func loadAgent(architecture string) (*agentFiles, error) {
	packed, err := built.ReadFile("built/agent-linux-" + architecture + ".gz")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("this program was built without the agent that it needs in pods on %s: build it by `make build`, or run `go generate ./internal/enclave/kubernetes` before `go build`", architecture)
	}
	if err != nil {
		return nil, err
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack the agent: %w", err)
	}
	program, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("unpack the agent: %w", err)
	}
	sum := sha256.Sum256(program)
	files := &agentFiles{digest: hex.EncodeToString(sum[:6])}
	files.program, files.data, err = splitProgram(program, agentData)
	return files, err
}

// agentNames are the names of the agent's ConfigMaps.
func agentNames(architecture, digest string) (program, data string) {
	name := "sundog-agent-" + architecture + "-" + digest
	return name, name + "-data"
}

// installAgent brings the agent into an enclave, if it is not there, and gives the names of its ConfigMaps.
func (c *connection) installAgent(ctx context.Context, name, architecture string) (program, data string, err error) {
	files, err := loadAgent(architecture)
	if err != nil {
		return "", "", err
	}
	program, data = agentNames(architecture, files.digest)
	namespace := namespaceName(name)
	found, err := listAs[metav1.PartialObjectMetadata](ctx, c, configMaps, namespace, map[string]string{"labelSelector": ofRole(roleAgent)}, metadataOnly)
	if err != nil {
		return "", "", err
	}
	// Each is near a megabyte.
	group, groupContext := errgroup.WithContext(ctx)
	for _, file := range []struct {
		name, key string
		content   []byte
	}{{data, agentDataKey, files.data}, {program, agentProgramKey, files.program}} {
		if slices.ContainsFunc(found, func(item metav1.PartialObjectMetadata) bool { return item.Name == file.name }) {
			continue
		}
		group.Go(func() error {
			_, err := create(groupContext, c, configMaps, namespace, &corev1.ConfigMap{
				TypeMeta: configMaps.typeMeta(), Immutable: new(true), BinaryData: map[string][]byte{file.key: file.content},
				ObjectMeta: metav1.ObjectMeta{Name: file.name, Labels: objectLabels(name, roleAgent)},
			})
			if err != nil && !apierrors.IsAlreadyExists(err) {
				return fmt.Errorf("bring the agent into the enclave: %w", inEnclave(name, err))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return "", "", err
	}
	return program, data, nil
}

// nodeFacts is what is known of the cluster's nodes. They are asked for once: it is a list that not everybody may read, and a
// long one where there are many nodes. Their labels are much less than all that they tell.
type nodeFacts struct {
	once          sync.Once
	architectures []string
	failure       error

	// What only few need to know.
	detailsOnce    sync.Once
	address        string
	count          int
	images         map[string]int // on how many nodes an image is, by its name
	detailsFailure error
}

// defaultArchitecture is assumed where the nodes cannot be read.
const defaultArchitecture = "amd64"

func (b *Backend) nodeFacts(ctx context.Context, conn *connection) (*nodeFacts, error) {
	b.nodes.once.Do(func() {
		found, err := listAs[metav1.PartialObjectMetadata](ctx, conn, nodes, "", nil, metadataOnly)
		if apierrors.IsForbidden(err) {
			b.logger.Info("the cluster's nodes may not be listed: they are taken to be of the default architecture", "architecture", defaultArchitecture)
			return
		}
		if err != nil {
			b.nodes.failure = fmt.Errorf("list the cluster's nodes: %w", err)
			return
		}
		for i := range found {
			if architecture := found[i].Labels[archLabel]; architecture != "" {
				b.nodes.architectures = append(b.nodes.architectures, architecture)
			}
		}
		slices.Sort(b.nodes.architectures)
		b.nodes.architectures = slices.Compact(b.nodes.architectures)
	})
	return &b.nodes, b.nodes.failure
}

// nodeDetails adds all that nodes tell of themselves, where it may be known.
func (b *Backend) nodeDetails(ctx context.Context, conn *connection) (*nodeFacts, error) {
	b.nodes.detailsOnce.Do(func() {
		found, err := list[corev1.Node](ctx, conn, nodes, "", "")
		if err != nil && !apierrors.IsForbidden(err) {
			b.nodes.detailsFailure = fmt.Errorf("list the cluster's nodes: %w", err)
		}
		for i := range found {
			b.nodes.learn(&found[i])
		}
	})
	return &b.nodes, b.nodes.detailsFailure
}

func (n *nodeFacts) learn(node *corev1.Node) {
	if node.Spec.Unschedulable {
		return
	}
	n.count++
	for _, image := range node.Status.Images {
		for _, name := range image.Names {
			if n.images == nil {
				n.images = map[string]int{}
			}
			n.images[name]++
		}
	}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		for _, address := range node.Status.Addresses {
			if address.Type == kind && n.address == "" {
				n.address = address.Address
			}
		}
	}
}

// nodesHave tells whether all nodes say that they have an image. They tell of some of their images only, and not everybody, so it
// may be false where they do.
func (b *Backend) nodesHave(ctx context.Context, image string) bool {
	conn, err := b.connect()
	if err != nil {
		return false
	}
	facts, err := b.nodeDetails(ctx, conn)
	return err == nil && facts.count > 0 && facts.images[image] == facts.count
}

// archLabel is the label by which Kubernetes tells a node's architecture.
const archLabel = "kubernetes.io/arch"

// architecture decides for which kind of node a pod is made. Pinned tells that the pod must be kept to it.
func (b *Backend) architecture(ctx context.Context, conn *connection, request enclave.ServiceRequest) (architecture string, pinned bool, err error) {
	if asked := request.Spec.NodeSelectors[archLabel]; asked != "" {
		return asked, false, nil
	}
	facts, err := b.nodeFacts(ctx, conn)
	if err != nil {
		return "", false, err
	}
	switch {
	case len(facts.architectures) == 0:
		return defaultArchitecture, false, nil
	case len(facts.architectures) == 1:
		return facts.architectures[0], false, nil
	case slices.Contains(facts.architectures, defaultArchitecture):
		return defaultArchitecture, true, nil
	}
	return facts.architectures[0], true, nil
}

// describeAgent takes the agent's own mark off its messages.
func describeAgent(text string) string {
	return strings.TrimPrefix(strings.TrimSpace(text), "sundog agent: ")
}
