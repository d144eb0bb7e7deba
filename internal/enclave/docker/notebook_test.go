package docker

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// fakeStore is as much of an engine as a store needs. It keeps times of folders as file systems do: whoever adds a file
// changes its folder's time, and what an archive says of a folder's time counts once all of it was unpacked.
type fakeStore struct {
	mutex   sync.Mutex
	missing bool
	files   map[string][]byte
	folders map[string]time.Time
	// precision of the times that it keeps.
	precision time.Duration
	// cut is after how many entries a write breaks off; zero stands for never.
	cut int
	// copies and looks count calls.
	copies, looks, writes int
}

func newFakeStore(t *testing.T) (*fakeStore, func() *Backend) {
	t.Helper()
	store := &fakeStore{files: map[string][]byte{}, folders: map[string]time.Time{}, precision: time.Nanosecond}
	server := httptest.NewServer(store)
	t.Cleanup(server.Close)
	return store, func() *Backend {
		backend := New(Options{Host: "tcp://" + server.Listener.Addr().String()})
		t.Cleanup(func() {
			if err := backend.Close(); err != nil {
				t.Error(err)
			}
		})
		return backend
	}
}

// ServeHTTP implements http.Handler.
func (s *fakeStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	w.Header().Set("Api-Version", "1.41")
	asked := strings.TrimPrefix(r.URL.Query().Get("path"), "/")
	switch {
	case strings.HasSuffix(r.URL.Path, "/_ping"):
	case s.missing:
		http.Error(w, `{"message": "No such container: x"}`, http.StatusNotFound)
	case r.Method == http.MethodPut:
		s.writes++
		if err := s.unpack(r.Body); err != nil {
			http.Error(w, `{"message": "`+err.Error()+`"}`, http.StatusInternalServerError)
		}
	case s.folders[asked].IsZero():
		http.Error(w, `{"message": "Could not find the file"}`, http.StatusNotFound)
	default:
		stat, err := json.Marshal(map[string]any{"name": path.Base(asked), "mtime": s.folders[asked], "mode": uint32(1 << 31)})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(stat))
		if r.Method == http.MethodHead {
			s.looks++
			return
		}
		s.copies++
		s.pack(w, asked)
	}
}

func (s *fakeStore) unpack(body io.Reader) error {
	archive := tar.NewReader(body)
	times := map[string]time.Time{}
	for count := 1; ; count++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if count == s.cut {
			return errors.New("the client is gone")
		}
		name := path.Clean(header.Name)
		if header.Typeflag == tar.TypeDir {
			times[name] = header.ModTime.Truncate(s.precision)
			if s.folders[name].IsZero() {
				s.folders[name] = time.Now()
			}
			continue
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		s.files[name] = content
		s.folders[path.Dir(name)] = time.Now()
	}
	maps.Copy(s.folders, times)
	return nil
}

func (s *fakeStore) pack(w io.Writer, folder string) {
	archive := tar.NewWriter(w)
	for name, content := range s.files {
		if rest, found := strings.CutPrefix(name, folder+"/"); found {
			// A broken connection shows at the other end.
			_ = archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Base(folder) + "/" + rest, Mode: 0o600, Size: int64(len(content))})
			_, _ = archive.Write(content)
		}
	}
	_ = archive.Close()
}

func readRecord(t *testing.T, b *Backend, name, want string) {
	t.Helper()
	got, err := b.Record(t.Context(), "dev", name)
	if want == "" && errors.Is(err, enclave.ErrNotFound) {
		return
	}
	if err != nil || string(got) != want {
		t.Errorf("record %q is %q, %v, want %q", name, got, err, want)
	}
}

func writeRecord(t *testing.T, b *Backend, name, content string) {
	t.Helper()
	must(t, b.WriteRecord(t.Context(), "dev", name, []byte(content)))
}

func TestNotesAreReadOnceWhileNobodyWrites(t *testing.T) {
	t.Parallel()
	store, backend := newFakeStore(t)
	writer := backend()
	writeRecord(t, writer, "runs/a", "1")
	reader := backend()
	for range 5 {
		readRecord(t, reader, "runs/a", "1")
		readRecord(t, reader, "runs/b", "")
	}
	if store.copies != 1 {
		t.Errorf("the notes were copied %d times for a reader, want once", store.copies)
	}
	// Each write needs what was there before, but whoever has written it knows.
	before := store.copies
	for _, text := range []string{"2", "3", "4"} {
		writeRecord(t, writer, "runs/a", text)
		readRecord(t, writer, "runs/a", text)
	}
	if store.copies != before {
		t.Errorf("the notes were copied %d times for their only writer", store.copies-before)
	}
}

func TestNotesOfOthersAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	_, backend := newFakeStore(t)
	one, other := backend(), backend()
	for i, text := range []string{"1", "2", "3", "4", "5", "6"} {
		writer := one
		if i%3 == 1 {
			writer = other
		}
		writeRecord(t, writer, "runs/a", text)
		writeRecord(t, other, "runs/b", text)
		for _, reader := range []*Backend{one, other} {
			readRecord(t, reader, "runs/a", text)
			readRecord(t, reader, "runs/b", text)
			names, err := reader.ListRecords(t.Context(), "dev", "runs/")
			must(t, err)
			if len(names) != 2 {
				t.Errorf("records are %q", names)
			}
		}
	}
	must(t, one.RemoveRecord(t.Context(), "dev", "runs/a"))
	readRecord(t, other, "runs/a", "")
}

// A write that was cut off anywhere leaves the record of before or the new one, for those who had read it and for others.
func TestNotesThatWereCutOff(t *testing.T) {
	t.Parallel()
	for cut := 1; cut < 12; cut++ {
		store, backend := newFakeStore(t)
		writer, reader := backend(), backend()
		writeRecord(t, writer, "runs/a", "1")
		writeRecord(t, writer, "runs/a", "2")
		readRecord(t, reader, "runs/a", "2")
		store.cut = cut
		failure := writer.WriteRecord(t.Context(), "dev", "runs/a", []byte("3"))
		store.cut = 0
		want := "2"
		if failure == nil {
			want = "3"
		}
		readRecord(t, writer, "runs/a", want)
		readRecord(t, reader, "runs/a", want)
		readRecord(t, backend(), "runs/a", want)
		writeRecord(t, reader, "runs/a", "4")
		readRecord(t, writer, "runs/a", "4")
	}
}

// Where times are coarse, a stamp never agrees with them, and everything is read each time.
func TestNotesWhereTimesAreCoarse(t *testing.T) {
	t.Parallel()
	store, backend := newFakeStore(t)
	store.precision = time.Second
	one, other := backend(), backend()
	for _, text := range []string{"1", "2", "3"} {
		writeRecord(t, one, "runs/a", text)
		readRecord(t, other, "runs/a", text)
		writeRecord(t, other, "runs/a", text+"'")
		readRecord(t, one, "runs/a", text+"'")
	}
}

func TestNotesOfAnEnclaveThatWasMadeAnew(t *testing.T) {
	t.Parallel()
	store, backend := newFakeStore(t)
	reader := backend()
	writeRecord(t, reader, "runs/a", "1")
	store.mutex.Lock()
	store.missing = true
	store.mutex.Unlock()
	if _, err := reader.Record(t.Context(), "dev", "runs/a"); !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("got %v, want that there is none", err)
	}
	store.mutex.Lock()
	store.missing, store.files, store.folders = false, map[string][]byte{}, map[string]time.Time{}
	store.mutex.Unlock()
	readRecord(t, reader, "runs/a", "")
	writeRecord(t, reader, "runs/a", "2")
	readRecord(t, backend(), "runs/a", "2")
}

func TestPackNotesStampsFirst(t *testing.T) {
	t.Parallel()
	stamp := time.Unix(1_700_000_000, 123_456_789)
	packed, err := packNotes([]storeFile{{folderRecords + "/a/0", []byte("text")}, {folderArtifacts + "/x.tar", nil}}, stamp)
	must(t, err)
	archive := tar.NewReader(bytes.NewReader(packed))
	var names []string
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		if !header.ModTime.Equal(stamp) {
			t.Errorf("%s has the time %s", header.Name, header.ModTime)
		}
		names = append(names, header.Name)
	}
	want := "notes/ notes/.stamp notes/records/ notes/records/.stamp notes/records/a/ notes/records/a/.stamp artifacts/ notes/records/a/0 artifacts/x.tar"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
