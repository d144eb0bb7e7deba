package kubernetes

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/remotecommand"
)

// pieceSize is how much of an artifact is sent with one length before it.
const pieceSize = 256 << 10

// storeUpload is a file on its way into the store. Whoever is cut off leaves nothing that anybody would take for it: the
// end is marked in the stream, and the artifact's Secret names the file only afterwards.
type storeUpload struct {
	store  *artifactStore
	file   string
	pieces *bufio.Writer
	pipe   *io.PipeWriter
	sent   int64
	done   chan struct{}
	err    error // of the pod's side, once it is done
	answer bytes.Buffer
	cancel context.CancelFunc
}

// upload begins to store a file.
func (b *Backend) upload(ctx context.Context, conn *connection, name, file string) (*storeUpload, error) {
	store, err := b.ensureStore(ctx, conn, name)
	if err != nil {
		return nil, err
	}
	keep, err := conn.storedFiles(ctx, name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	reader, writer := io.Pipe()
	u := &storeUpload{store: store, file: file, pipe: writer, done: make(chan struct{}), cancel: cancel}
	u.pieces = bufio.NewWriterSize(pieceWriter{writer}, pieceSize)
	go func() {
		defer close(u.done)
		err := conn.runStore(ctx, store.pod, reader, &u.answer, append([]string{"receive", storeFolder, file}, keep...)...)
		if err == nil {
			reader.Close() //nolint:errcheck // It never fails.
		} else {
			reader.CloseWithError(err)
		}
		u.err = err
	}()
	return u, nil
}

// pieceWriter puts its length before each piece.
type pieceWriter struct{ target io.Writer }

// Write implements io.Writer.
func (w pieceWriter) Write(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	piece := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(data)), uint32(len(data))) //nolint:gosec // A piece is small.
	if _, err := w.target.Write(append(piece, data...)); err != nil {
		return 0, err
	}
	return len(data), nil
}

// Write implements io.Writer.
func (u *storeUpload) Write(data []byte) (int, error) {
	count, err := u.pieces.Write(data)
	u.sent += int64(count)
	return count, err
}

// finish ends the upload. It returns nil once the file is on the disk.
func (u *storeUpload) finish() error {
	defer u.cancel()
	err := u.pieces.Flush()
	if err == nil {
		_, err = u.pipe.Write(make([]byte, 4))
	}
	u.pipe.Close() //nolint:errcheck // It never fails.
	if <-u.done; u.err != nil {
		return u.err
	}
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(u.answer.String()); got != strconv.FormatInt(u.sent, 10) {
		return fmt.Errorf("the store has taken %s bytes of %d", got, u.sent)
	}
	return nil
}

// abort ends an upload that failed, and waits until nothing of it goes on.
func (u *storeUpload) abort(cause error) {
	u.cancel()
	u.pipe.CloseWithError(cause)
	<-u.done
}

// runStore runs the agent in the store's pod.
func (c *connection) runStore(ctx context.Context, pod *corev1.Pod, input io.Reader, output io.Writer, arguments ...string) error {
	var complaint bytes.Buffer
	streams := remotecommand.StreamOptions{Stdout: output, Stderr: &complaint}
	if input != nil {
		streams.Stdin = input
	}
	code, err := c.run(ctx, pod, append([]string{agentProgram, "store"}, arguments...), streams)
	if err == nil {
		err = agentError(code, complaint.String())
	}
	if err != nil && strings.Contains(err.Error(), "no space left on device") {
		return fmt.Errorf("the volume of the enclave's files artifacts is full: make it larger (kubernetes.artifact_storage_mb in the provider block, SUNDOG_KUBERNETES_ARTIFACT_STORAGE_MB), and the enclave anew: %w", err)
	}
	return err
}

// storedFiles gives the files of the store that artifacts name.
func (c *connection) storedFiles(ctx context.Context, name string) ([]string, error) {
	found, err := c.named(ctx, name, roleArtifact)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, item := range found {
		if item.Annotations[annotationStore] != "" {
			files = append(files, storedFile(item.ObjectMeta))
		}
	}
	return files, nil
}

// storedFile is an artifact's file in the store.
func storedFile(artifact metav1.ObjectMeta) string {
	return artifact.Name + "." + artifact.Labels[labelGeneration]
}

// download streams a file of the store, packed.
func (b *Backend) download(ctx context.Context, conn *connection, name, file string) (io.ReadCloser, error) {
	store, err := b.ensureStore(ctx, conn, name)
	if err != nil {
		return nil, err
	}
	return conn.stream(ctx, func(ctx context.Context, output io.Writer) error {
		return conn.runStore(ctx, store.pod, nil, output, "send", storeFolder, file)
	})
}

// removeStored removes files of artifacts that are gone. Where the store does not run they are removed later, as nobody
// names them any more.
func (c *connection) removeStored(ctx context.Context, name string, files []string) error {
	found, err := list[corev1.Pod](ctx, c, pods, namespaceName(name), ofService(storeService))
	if err != nil {
		return err
	}
	for i := range found {
		if status := containerStatus(&found[i], containerService); found[i].DeletionTimestamp == nil && status != nil && status.State.Running != nil {
			return c.runStore(ctx, &found[i], nil, io.Discard, append([]string{"remove", storeFolder}, files...)...)
		}
	}
	return nil
}
