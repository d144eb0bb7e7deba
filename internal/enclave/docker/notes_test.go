package docker

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/volume"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// fakeVolumes is as much of an engine as notes need.
type fakeVolumes struct {
	mutex   sync.Mutex
	volumes map[string]volume.Volume
	// calls is how many more calls change something; after that the engine is gone.
	calls int
}

const plentyOfCalls = 1000

func newFakeVolumes(t *testing.T) (*fakeVolumes, func() *Backend) {
	t.Helper()
	fake := &fakeVolumes{volumes: map[string]volume.Volume{}, calls: plentyOfCalls}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	backend := func() *Backend {
		made := New(Options{Host: "tcp://" + server.Listener.Addr().String()})
		t.Cleanup(func() {
			if err := made.Close(); err != nil {
				t.Error(err)
			}
		})
		return made
	}
	conn := connectionOf(t, backend())
	must(t, conn.putNotes(t.Context(), "dev", &noteList{}, []note{{noteEnclave, []byte("{}")}}))
	return fake, backend
}

// ServeHTTP implements http.Handler.
func (f *fakeVolumes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	w.Header().Set("Api-Version", "1.41")
	if r.Method == http.MethodPost || r.Method == http.MethodDelete {
		if f.calls == 0 {
			http.Error(w, `{"message": "the engine is gone"}`, http.StatusInternalServerError)
			return
		}
		f.calls--
	}
	switch r.Method {
	case http.MethodHead:
	case http.MethodPost:
		var made volume.Volume
		if err := json.NewDecoder(r.Body).Decode(&made); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if before, found := f.volumes[made.Name]; found {
			made = before // So does the engine.
		}
		f.volumes[made.Name] = made
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(made) // A broken connection shows at the other end.
	case http.MethodDelete:
		delete(f.volumes, path.Base(r.URL.Path))
		w.WriteHeader(http.StatusNoContent)
	default:
		var filters struct{ Name map[string]bool }
		_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters) // Without it nothing is found.
		var found []volume.Volume
		for pattern := range filters.Name {
			for name, item := range f.volumes {
				if regexp.MustCompile(pattern).MatchString(name) {
					found = append(found, item)
				}
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"Volumes": found}) // As above.
	}
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

func TestNotesOfOthersAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	fake, backend := newFakeVolumes(t)
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
	if len(fake.volumes) != 2 {
		t.Errorf("there are %d volumes, want one of the record that is left and one of the enclave", len(fake.volumes))
	}
}

// A write that was cut off anywhere leaves the record of before or the new one, and the next write clears away the rest.
func TestNotesThatWereCutOff(t *testing.T) {
	t.Parallel()
	for calls := range 3 {
		fake, backend := newFakeVolumes(t)
		writer := backend()
		writeRecord(t, writer, "runs/a", "1")
		fake.calls = calls
		failure := writer.WriteRecord(t.Context(), "dev", "runs/a", []byte("2"))
		fake.calls = plentyOfCalls
		if written := calls > 1; written != (failure == nil) {
			t.Errorf("with %d calls the write gave %v", calls, failure)
		}
		want := "1"
		if calls > 0 {
			want = "2"
		}
		readRecord(t, backend(), "runs/a", want)
		writeRecord(t, backend(), "runs/a", "3")
		readRecord(t, writer, "runs/a", "3")
		if len(fake.volumes) != 2 {
			t.Errorf("there are %d volumes, want one of the record and one of the enclave", len(fake.volumes))
		}
	}
}

// Where two versions are there, removing the note must not bring the earlier one back, wherever it is cut off.
func TestNotesThatWereCutOffStayRemoved(t *testing.T) {
	t.Parallel()
	for calls := range 3 {
		fake, backend := newFakeVolumes(t)
		writer := backend()
		writeRecord(t, writer, "runs/a", "1")
		fake.calls = 1
		if err := writer.WriteRecord(t.Context(), "dev", "runs/a", []byte("2")); err == nil {
			t.Fatal("a version could be removed without a call")
		}
		fake.calls = calls
		failure := writer.RemoveRecord(t.Context(), "dev", "runs/a")
		fake.calls = plentyOfCalls
		want := "2"
		if calls > 1 {
			want = ""
		}
		if (failure == nil) != (want == "") {
			t.Errorf("with %d calls the removal gave %v", calls, failure)
		}
		readRecord(t, backend(), "runs/a", want)
	}
}

// A clock that goes backwards, or another machine's that lags behind, must not make an earlier version count.
func TestNotesDoNotTrustClocks(t *testing.T) {
	t.Parallel()
	fake, backend := newFakeVolumes(t)
	writeRecord(t, backend(), "runs/a", "1")
	for name, item := range fake.volumes {
		if item.Labels[labelNote] == recordNote("runs/a") {
			item.Labels[labelVersion] = "9000000000000000000"
			fake.volumes[name] = item
		}
	}
	writeRecord(t, backend(), "runs/a", "2")
	readRecord(t, backend(), "runs/a", "2")
}

func TestNotesOfAnEnclaveThatIsNotThere(t *testing.T) {
	t.Parallel()
	fake, backend := newFakeVolumes(t)
	writeRecord(t, backend(), "runs/a", "1")
	conn := connectionOf(t, backend())
	before, err := conn.allNotes(t.Context(), "dev")
	must(t, err)
	must(t, conn.removeAllNotes(t.Context(), "dev"))
	if len(fake.volumes) != 0 {
		t.Errorf("%d volumes are left", len(fake.volumes))
	}
	// Somebody who had seen it writes a note nevertheless, and it goes with the enclave.
	for _, err := range []error{
		conn.putNotes(t.Context(), "dev", before, []note{{recordNote("runs/a"), []byte("2")}}),
		backend().WriteRecord(t.Context(), "dev", "runs/a", []byte("2")),
		backend().RemoveRecord(t.Context(), "dev", "runs/a"),
	} {
		if !errors.Is(err, enclave.ErrNotFound) {
			t.Errorf("got %v, want that there is no enclave", err)
		}
	}
	if len(fake.volumes) != 0 {
		t.Errorf("%d volumes are left", len(fake.volumes))
	}
}
